import type { AuditEntry } from '../audit-record.ts';
import { authorizeCall } from '../auth/authorize.ts';
import type { Context } from '../context.ts';
import { isReadOnly } from '../define-service.ts';
import { timeOrderedUuid } from '../ids.ts';
import { type CallFrame, createContext, type Kernel } from '../runtime.ts';
import type { AnyOperation, Resource, ResourceRef, Service } from '../service.ts';
import { commonFault, notImplemented } from './errors.ts';
import { spellFault } from './fault-answer.ts';
import { redact } from './redact.ts';
import type { OperationShape } from './shape.ts';
import { validate } from './validate.ts';

/**
 * One call of an operation, from its typed input to its output: validate, authorise, handle, record. The gateway and
 * calls between services take this same road.
 * @throws Fault
 */
export async function invoke(
  kernel: Kernel,
  service: Service,
  name: string,
  input: Record<string, unknown>,
  frame: CallFrame,
): Promise<Record<string, unknown>> {
  const shape = service.operationShape(name);
  if (shape === undefined) throw commonFault('InvalidAction', `The action ${name} is not valid for this endpoint.`);
  const operation = service.operations.get(name);
  const entry = auditEntry(kernel, service, shape, operation, input, frame);
  kernel.audit.assertWritable();
  const calling: CallFrame = entry.readOnly
    ? frame
    : { ...frame, firstTransaction: (tx) => kernel.audit.beginIn(tx, entry) };
  try {
    const output = await handle(kernel, service, shape, operation, input, createContext(kernel, calling), entry);
    if (!entry.readOnly) entry.responseElements = redact(shape.output, output);
    return output;
  } catch (error) {
    const spelled = spellFault(error, service.errorStyle, service.errorSchema);
    entry.errorCode = spelled.code;
    entry.errorMessage = spelled.message;
    throw error;
  } finally {
    kernel.audit.add(entry);
  }
}

/** Records a call whose input could not be read: nothing of it is known but its name and its caller. */
export function recordRefusal(
  kernel: Kernel,
  service: Service,
  shape: OperationShape,
  frame: CallFrame,
  error: unknown,
): void {
  const entry = auditEntry(kernel, service, shape, service.operations.get(shape.name), {}, frame);
  const spelled = spellFault(error, service.errorStyle, service.errorSchema);
  entry.errorCode = spelled.code;
  entry.errorMessage = spelled.message;
  kernel.audit.add(entry);
}

async function handle(
  kernel: Kernel,
  service: Service,
  shape: OperationShape,
  operation: AnyOperation | undefined,
  input: Record<string, unknown>,
  calling: Context,
  entry: AuditEntry,
): Promise<Record<string, unknown>> {
  let ctx = calling;
  if (operation === undefined) throw notImplemented(service.name, shape.name);
  if (service.constraints !== undefined) validate(shape, input, service.constraints, service.protocol === 'query');
  const action = actionOf(service, shape.name, operation, input);
  if (operation.identify !== undefined) {
    const caller = await operation.identify(input, ctx);
    entry.caller = caller;
    entry.account = caller.account;
    ctx = ctx.withCaller(caller);
  }
  if (action !== null) {
    const resources = refs(await operation.resource(input, ctx));
    entry.resources = resources.map(({ arn }) => arn).filter((arn) => arn !== '*');
    const conditions = operation.conditions === undefined ? {} : await operation.conditions(input, ctx);
    await authorizeCall(kernel.identity, ctx, { action, resources, conditions });
  }
  return operation.handle(input, ctx);
}

function actionOf(service: Service, name: string, operation: AnyOperation, input: unknown): string | null {
  if (operation.action === null) return null;
  if (operation.action === undefined) return `${service.iamPrefix}:${name}`;
  return typeof operation.action === 'string' ? operation.action : operation.action(input);
}

function refs(resource: Resource | Resource[]): ResourceRef[] {
  return (Array.isArray(resource) ? resource : [resource]).map((one) => (typeof one === 'string' ? { arn: one } : one));
}

function auditEntry(
  kernel: Kernel,
  service: Service,
  shape: OperationShape,
  operation: AnyOperation | undefined,
  input: Record<string, unknown>,
  frame: CallFrame,
): AuditEntry {
  const at = kernel.clock.now();
  return {
    id: timeOrderedUuid(kernel.ids, at.getTime()),
    at,
    caller: frame.caller,
    account: frame.account,
    region: frame.region,
    eventSource: service.eventSource,
    eventName: shape.name,
    readOnly: isReadOnly(shape.name, operation),
    sourceIp: frame.sourceIp,
    userAgent: frame.userAgent,
    requestId: frame.requestId,
    management: operation?.dataEvent !== true,
    requestParameters: redact(shape.input, input, operation?.content),
    responseElements: undefined,
    resources: [],
    ...(frame.calledVia === undefined ? {} : { invokedBy: frame.calledVia.at(-1) }),
  };
}
