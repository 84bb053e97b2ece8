import assert from 'node:assert/strict';

/** What the SDK throws for an error answer. */
interface ServiceError {
  name: string;
  message: string;
  $metadata?: { httpStatusCode?: number };
}

/** Expects a call to be refused with this code and HTTP status; gives the error for more questions. */
export async function refused(call: Promise<unknown>, name: string, status?: number): Promise<ServiceError> {
  let error: ServiceError | undefined;
  try {
    await call;
  } catch (caught) {
    error = caught as ServiceError;
  }
  assert.ok(error !== undefined, `expected ${name}, but the call succeeded`);
  assert.equal(error.name, name, error.message);
  if (status !== undefined) assert.equal(error.$metadata?.httpStatusCode, status, error.message);
  return error;
}

/** The text of an object's body. */
export async function textOf(output: { Body?: { transformToString(): Promise<string> } | undefined }): Promise<string> {
  return output.Body!.transformToString();
}

/** The bytes of an object's body. */
export async function bytesOf(output: {
  Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined;
}): Promise<Buffer> {
  return Buffer.from(await output.Body!.transformToByteArray());
}
