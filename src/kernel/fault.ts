/** Who is to blame: `client` faults are 4xx, `server` faults 5xx. */
export type FaultSide = 'client' | 'server';

/**
 * An error that the caller sees, in AWS's words. `name` is the modelled shape (`BranchDoesNotExistException`) or a
 * common code (`AccessDenied`); code and status on the wire come from the service's schema when the shape is modelled.
 */
export class Fault extends Error {
  /** HTTP status where the service's schema does not say; 0 leaves it to the schema. */
  readonly status: number;
  /** Further members of the modelled error. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Headers of the answer that belong to the error, lower case. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    name: string,
    message: string,
    options: {
      status?: number;
      members?: Record<string, unknown>;
      headers?: Record<string, string>;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = name;
    this.status = options.status ?? 0;
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }
}

/** An exception class as every `@aws-sdk/client-*` package exports them. */
// biome-ignore lint/suspicious/noExplicitAny: the SDK's exception constructors take their own option types
export type FaultClass = { readonly name: string; new (options: any): Error };

/**
 * A modelled error of the service: `throw fault(sdk.BranchNameExistsException, '...')`.
 * @param members further members of the error shape.
 */
export function fault(shape: FaultClass, message: string, members?: Record<string, unknown>): Fault {
  return new Fault(shape.name, message, members === undefined ? {} : { members });
}

/** True when `error` is a fault of that shape (class or name). */
export function isFault(error: unknown, shape?: FaultClass | string): error is Fault {
  if (!(error instanceof Fault)) return false;
  return shape === undefined || error.name === (typeof shape === 'string' ? shape : shape.name);
}
