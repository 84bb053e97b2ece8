import assert from 'node:assert/strict';
import type { Clients, TestServer } from '../../../test/harness.ts';
import type { Context } from '../../kernel/context.ts';

/** Holds that a call is refused with that error. */
export async function refused(call: Promise<unknown>, name: string, message?: RegExp): Promise<void> {
  await assert.rejects(call, (error: Error) => {
    assert.equal(error.name, name, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}

/** A context of a user, as a service of this installation has it while it works for him. */
export async function contextOf(server: TestServer, { keys }: Clients): Promise<Context> {
  const { kernel } = server;
  const own = kernel.serviceContext('test.amazonaws.com');
  if (keys.accessKeyId === kernel.config.rootAccessKeyId) {
    const { account } = own;
    return own.withCaller({ type: 'Root', account, arn: `arn:aws:iam::${account}:root`, principalId: account });
  }
  const credential = await kernel.identity.findCredential(keys.accessKeyId);
  assert.ok(credential, 'the user has a key');
  return own.withCaller(credential.caller);
}

/** An identity policy that allows some actions on everything. */
export function allow(...actions: string[]) {
  return { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] };
}
