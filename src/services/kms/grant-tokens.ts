import * as sdk from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';

const PURPOSE = 'kms.grant-token';

/** What a grant token says: which grant of which key. */
export interface GrantToken {
  readonly keyArn: string;
  readonly grantId: string;
}

/** A token that names a grant; only this installation can read it. */
export function makeGrantToken({ secrets }: Context, token: GrantToken): string {
  return secrets.seal(PURPOSE, '', JSON.stringify(token));
}

/** @throws InvalidGrantTokenException */
export function readGrantToken({ secrets }: Context, text: string): GrantToken {
  try {
    return JSON.parse(secrets.open(PURPOSE, '', text).toString()) as GrantToken;
  } catch {
    throw fault(sdk.InvalidGrantTokenException, 'The grant token is not valid.');
  }
}

/** Grants are in force when CreateGrant answers, so tokens decide nothing; they must only be real ones. */
export function checkGrantTokens(ctx: Context, tokens: readonly string[] = []): void {
  for (const token of tokens) readGrantToken(ctx, token);
}
