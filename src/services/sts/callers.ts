import * as sdk from '@aws-sdk/client-sts';
import { fault } from '../../kernel/fault.ts';
import { BASE32 } from '../../kernel/ids.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { openCredentials } from './credentials.ts';
import { longTermCaller, refuseUserSession } from './long-term.ts';
import { showMfaCode } from './mfa.ts';
import { rootSeconds } from './session-limits.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const DEFAULT_TOKEN_SECONDS = 43_200;

/** Tells anybody who he is; needs no permission and cannot be denied. */
export const GetCallerIdentity: Op<'GetCallerIdentity'> = {
  resource: () => '*',
  action: null,
  async handle(_input, { caller, account }) {
    switch (caller.type) {
      case 'AWSService':
        return { UserId: caller.service, Account: account, Arn: `arn:aws:iam::${account}:service/${caller.service}` };
      case 'Anonymous':
      case 'WebIdentityUser':
      case 'SAMLUser':
        throw commonFault('MissingAuthenticationToken', 'Request is missing Authentication Token');
      default:
        return { UserId: caller.principalId, Account: caller.account, Arn: caller.arn };
    }
  },
};

/**
 * Opens the encoded messages that some services of AWS put into their denials (EC2 above all). No service here encodes any,
 * so none that anybody could show is one of this installation.
 */
export const DecodeAuthorizationMessage: Op<'DecodeAuthorizationMessage'> = {
  resource: () => '*',
  readOnly: true,
  content: ['EncodedMessage'],
  async handle() {
    throw fault(sdk.InvalidAuthorizationMessageException, 'Invalid authorization message.');
  },
};

/** Temporary credentials of a user (or root) for himself; needs no permission. */
export const GetSessionToken: Op<'GetSessionToken'> = {
  resource: () => '*',
  action: null,
  readOnly: false,
  content: ['TokenCode'],
  async handle(input, ctx) {
    const maker = longTermCaller(ctx, 'GetSessionToken');
    const mfaAuthenticatedAt = await showMfaCode(input, ctx);
    const caller = {
      ...maker,
      issuedAt: ctx.now().getTime(),
      ...(mfaAuthenticatedAt === undefined ? {} : { mfaAuthenticatedAt }),
    };
    const durationSeconds = rootSeconds(input.DurationSeconds ?? DEFAULT_TOKEN_SECONDS, maker);
    return { Credentials: await openCredentials({ caller, sessionPolicies: [], durationSeconds }, ctx) };
  },
};

/** The account of an access key id, which the id itself holds. */
export const GetAccessKeyInfo: Op<'GetAccessKeyInfo'> = {
  resource: () => '*',
  async handle({ AccessKeyId: id }, ctx) {
    refuseUserSession(ctx, 'GetAccessKeyInfo');
    if (id === ctx.config.rootAccessKeyId) return { Account: ctx.config.account };
    return { Account: accountOfKey(id) };
  },
};

/** @throws ValidationError for an id that holds no account number */
function accountOfKey(id: string): string {
  const invalid = () => commonFault('ValidationError', `The access key id ${id} is not valid.`);
  if (!/^A(?:KI|SI)A[A-Z2-7]{16}$/.test(id)) throw invalid();
  let bits = 0n;
  for (const char of id.slice(4)) bits = (bits << 5n) | BigInt(BASE32.indexOf(char));
  const account = String((bits >> 39n) & ((1n << 40n) - 1n)).padStart(12, '0');
  if (account.length > 12) throw invalid();
  return account;
}
