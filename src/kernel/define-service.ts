import type { ErrorStyle } from './auth/auth-faults.ts';
import type { AnyOperation, Protocol, Service, ServiceDefinition } from './service.ts';
import { type OperationShape, operationSchemas, operationShape } from './wire/shape.ts';

const STYLES: Record<Protocol, ErrorStyle> = {
  'json-1.0': 'json',
  'json-1.1': 'json',
  query: 'query',
  'rest-json': 'rest-json',
  'rest-xml': 's3',
};

/** Makes a service of its definition. @throws when a family exports an operation that the SDK's model does not have */
export function defineService(definition: ServiceDefinition): Service {
  const schemas = operationSchemas(definition.sdk);
  const shapes = new Map<string, OperationShape>();
  const operations = new Map<string, AnyOperation>();
  for (const family of definition.families) {
    for (const [name, value] of Object.entries(family)) {
      if (!isOperation(value)) continue;
      if (!schemas.has(name)) throw new Error(`${definition.name} has no operation ${name}`);
      if (operations.has(name)) throw new Error(`${definition.name}:${name} is defined twice`);
      operations.set(name, value);
    }
  }
  return {
    ...definition,
    errorStyle: STYLES[definition.protocol],
    operations,
    takesUnsigned: [...operations.values()].some(({ identify }) => identify !== undefined),
    operationNames: [...schemas.keys()].sort(),
    operationShape(name) {
      const known = shapes.get(name);
      if (known !== undefined) return known;
      const schema = schemas.get(name);
      if (schema === undefined) return undefined;
      const shape = operationShape(schema);
      shapes.set(name, shape);
      return shape;
    },
    errorSchema: (name) => definition.sdk[`${name}$`],
  };
}

function isOperation(value: unknown): value is AnyOperation {
  return typeof value === 'object' && value !== null && 'handle' in value && 'resource' in value;
}

const READ_ONLY =
  /^(BatchGet|BatchDescribe|Get|List|Describe|Lookup|Filter|Head|Simulate|Test|Select|Validate|Search|Decode)/;

/** Whether a call changes nothing, as CloudTrail's `readOnly` says. */
export function isReadOnly(name: string, operation: AnyOperation | undefined): boolean {
  return operation?.readOnly ?? READ_ONLY.test(name);
}
