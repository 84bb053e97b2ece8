import { createHash } from 'node:crypto';
import * as sdk from '@aws-sdk/client-codecommit';
import { fault } from '../../kernel/fault.ts';

/** AWS does not publish the form of client request tokens; SDKs make UUIDs. */
const TOKEN = /^[\x21-\x7e]{1,64}$/;

/** The token of a request, null where there is none. @throws ClientRequestTokenRequiredException, InvalidClientRequestTokenException */
export function givenToken(token: string | undefined): string | null {
  if (token === undefined) return null;
  if (token === '') throw fault(sdk.ClientRequestTokenRequiredException, 'A client request token is required.');
  if (TOKEN.test(token)) return token;
  throw fault(sdk.InvalidClientRequestTokenException, 'The client request token is not valid.');
}

/** What a token was used with. A request that says the same has the same hash, however its members are ordered. */
export function requestHash(request: object): string {
  return createHash('sha256').update(canonical(request)).digest('hex');
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}
