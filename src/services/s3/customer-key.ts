/** Keys that customers bring with each request (SSE-C). They are used and forgotten. */
import { hash } from 'node:crypto';
import { invalidArgument, s3Fault } from './faults.ts';

export interface CustomerKeyInput {
  SSECustomerAlgorithm?: string | undefined;
  SSECustomerKey?: string | undefined;
  SSECustomerKeyMD5?: string | undefined;
}

/** The key of the source of a copy. */
export interface SourceKeyInput {
  CopySourceSSECustomerAlgorithm?: string | undefined;
  CopySourceSSECustomerKey?: string | undefined;
  CopySourceSSECustomerKeyMD5?: string | undefined;
}

export interface CustomerKey {
  bytes: Buffer;
  /** Base64, as the answer repeats it. */
  md5: string;
}

const KEY_BYTES = 32;
const ABOUT = 'Requests specifying Server Side Encryption with Customer provided keys must provide';

/** The key that a request brings, if any. @throws InvalidArgument, InvalidEncryptionAlgorithmError */
export function customerKeyOf(input: CustomerKeyInput): CustomerKey | undefined {
  const { SSECustomerAlgorithm: algorithm, SSECustomerKey: text, SSECustomerKeyMD5: md5 } = input;
  if (algorithm === undefined && text === undefined && md5 === undefined) return undefined;
  const prefix = 'x-amz-server-side-encryption-customer';
  if (algorithm === undefined) {
    throw invalidArgument(`${ABOUT} a valid encryption algorithm.`, `${prefix}-algorithm`, 'null');
  }
  if (algorithm !== 'AES256') {
    throw s3Fault(
      'InvalidEncryptionAlgorithmError',
      400,
      'The Encryption request you specified is not valid. Supported value: AES256.',
      { ArgumentName: `${prefix}-algorithm`, ArgumentValue: algorithm },
    );
  }
  if (text === undefined) throw invalidArgument(`${ABOUT} an appropriate secret key.`, `${prefix}-key`, 'null');
  if (md5 === undefined) {
    throw invalidArgument(`${ABOUT} the client calculated MD5 of the secret key.`, `${prefix}-key-MD5`, 'null');
  }
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== text) {
    throw invalidArgument('The secret key was invalid for the specified algorithm.', `${prefix}-algorithm`, algorithm);
  }
  if (hash('md5', bytes, 'base64') !== md5) {
    throw invalidArgument(
      'The calculated MD5 hash of the key did not match the hash that was provided.',
      `${prefix}-key-MD5`,
      md5,
    );
  }
  return { bytes, md5 };
}

/** The key for the source of a copy, in the members that reads have. */
export function sourceKeyOf(input: SourceKeyInput): CustomerKeyInput {
  return {
    SSECustomerAlgorithm: input.CopySourceSSECustomerAlgorithm,
    SSECustomerKey: input.CopySourceSSECustomerKey,
    SSECustomerKeyMD5: input.CopySourceSSECustomerKeyMD5,
  };
}
