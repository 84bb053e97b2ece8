import type { Context } from '../../src/kernel/context.ts';
import type { AnyOperation, Service } from '../../src/kernel/service.ts';
import { validInput } from '../../src/kernel/testing/valid-input.ts';
import { services } from '../../src/services.ts';
import type { Made } from './samples.ts';

/** What an operation asks of IAM, for a sample of its input. */
interface Asked {
  /** Undefined where nothing is asked. */
  action: string | undefined;
  /** ARNs, or `*`. */
  resources: string[];
  /** Names of the condition keys that it may bring beside the global ones. */
  keys: string[];
}

/** What IAM is asked for an operation, from the operation itself. @param ctx of a caller who is nobody in particular */
async function askedOf(service: Service, name: string, made: Made, ctx: Context): Promise<Asked> {
  const operation = service.operations.get(name)!;
  const shape = service.operationShape(name)!;
  if (operation.action === null) return { action: undefined, resources: [], keys: [] };
  const samples = made.samples[service.name] ?? {};
  const input = validInput(shape, service.constraints, samples, false);
  const { action = `${service.iamPrefix}:${name}` } = operation;
  const resource = await operation.resource(input, ctx);
  const resources = [resource].flat().map((one) => (typeof one === 'string' ? one : one.arn));
  const whole = validInput(shape, service.constraints, samples, true);
  return {
    action: typeof action === 'string' ? action : action(input),
    resources,
    keys: await keysOf(operation, whole, ctx),
  };
}

async function keysOf(operation: AnyOperation, input: object, ctx: Context): Promise<string[]> {
  const keys = Object.keys((await operation.conditions?.(input, ctx)) ?? {});
  return [...new Set(keys.map((key) => key.replace(/\/.*/, '/*')))].sort();
}

/** Every operation that is implemented, with its IAM action, resource and condition keys. */
export async function authorizationGolden(made: Made, ctx: Context): Promise<string> {
  const lines: string[] = [];
  for (const service of services) {
    for (const name of [...service.operations.keys()].sort()) lines.push(await lineOf(service, name, made, ctx));
  }
  const text = `${lines.join('\n')}\n`;
  return Object.entries(made.names).reduce((known, [id, name]) => known.replaceAll(id, name), text);
}

async function lineOf(service: Service, name: string, made: Made, ctx: Context): Promise<string> {
  try {
    const { action, resources, keys } = await askedOf(service, name, made, ctx);
    const asked = action === undefined ? 'nothing before the call' : `${action} ${resources.join(' ')}`;
    return `${service.name}:${name} ${[asked, ...keys].join(' ')}`;
  } catch (error) {
    // A sample is missing: the test of the matrix says so, the file stays whole.
    return `${service.name}:${name} ! ${(error as Error).message}`;
  }
}
