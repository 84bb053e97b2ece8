import type { ServerResponse } from 'node:http';
import type { UserCaller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { Fault, isFault } from '../../kernel/fault.ts';
import type { Route } from '../../kernel/service.ts';
import { readBuffer } from '../../kernel/wire/body.ts';
import type { Exchange } from '../../kernel/wire/http.ts';
import { CONNECTION_LIMITS } from '../../kernel/wire/limits.ts';
import { isOpenAccount } from './accounts.ts';
import type { LoginProfileRow } from './credential-tables.ts';
import { identitiesOf } from './identities.ts';
import { changeOwnPassword, findLoginProfile } from './login-profiles.ts';
import { spendCode } from './mfa-codes.ts';
import { devicesOf } from './mfa-devices.ts';
import { allowedToChangePassword, expiryOf, passwordPolicyOf } from './password-policy.ts';
import { signInRecord } from './sign-in-records.ts';
import { entityArn, findEntity } from './store.ts';
import { tables, type UserRow } from './tables.ts';

const PATH = '/_signin';
const MAX_BODY_BYTES = 8 * 1024;
/** Source: IAM User Guide, "Manage console sessions": twelve hours. */
const SESSION_SECONDS = 12 * 3600;
const MIN_SESSION_SECONDS = 900;

/** What a person sends. */
interface SignInRequest {
  /** Account number or alias. */
  account: string;
  userName: string;
  password: string;
  /** Code of an MFA device; its serial number where the user has several. */
  mfaCode?: string;
  mfaSerialNumber?: string;
  /** Where the password must be changed, or the person wants to. */
  newPassword?: string;
  durationSeconds?: number;
}

/** Turns down one attempt, by a name that programs go by. */
function refusal(error: string, message: string, status: number, members: Record<string, unknown> = {}): Fault {
  return new Fault(error, message, { status, members });
}

/** The door for people: password and code against temporary credentials. JSON both ways; see the README. */
export const signIn: Route = {
  name: 'sign-in',
  matches: ({ path }) => path === PATH,
  async handle(exchange) {
    const { response } = exchange;
    response.setHeader('cache-control', 'no-store');
    try {
      answer(response, 200, await signInBy(exchange));
    } catch (error) {
      if (!isFault(error)) throw error;
      const { name, message, status, members } = error;
      answer(response, status === 0 ? (STATUS[name] ?? 400) : status, { error: name, message, ...members });
    }
  },
};

/** Faults that come from elsewhere, without a status of their own. */
const STATUS: Readonly<Record<string, number>> = {
  ThrottlingException: 429,
  AccessDenied: 403,
  AccessDeniedException: 403,
  RequestEntityTooLarge: 413,
};

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

async function signInBy({ request, ctx }: Exchange): Promise<object> {
  if (request.method !== 'POST') throw refusal('MethodNotAllowed', 'Sign in by POST.', 405);
  // A form of another website can post neither this type nor, without its consent, anything from a script.
  if (!/^application\/json(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw refusal('UnsupportedMediaType', 'The body must be application/json.', 415);
  }
  const begin = () => undefined; // routes are permitted to read by the gateway
  const body = await readBuffer(request.message, MAX_BODY_BYTES, begin, CONNECTION_LIMITS, ctx.clock);
  const given = readRequest(body.toString('utf8'));
  const named = await accountOf(ctx, given.account);
  const account = named !== undefined && (await isOpenAccount(ctx, named)) ? named : undefined;
  const user = account === undefined ? undefined : await findEntity(ctx, account, 'user', given.userName);
  const attempt: Attempt = { account, user, given };
  const profile = await provePassword(ctx, attempt);
  const proved = { ...attempt, user: user!, profile };
  const mfaAuthenticated = await proveDevice(ctx, proved);
  await changeWhereDue(ctx, proved);
  return openConsoleSession(ctx, proved, mfaAuthenticated);
}

interface Attempt {
  account: string | undefined;
  user: UserRow | undefined;
  given: SignInRequest;
}
interface Proved extends Attempt {
  user: UserRow;
  profile: LoginProfileRow;
}

function readRequest(text: string): SignInRequest {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw refusal('InvalidRequest', 'The body is no JSON.', 400);
  }
  const members = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  const isText = (name: string, max: number, needed: boolean) => {
    const value = members[name];
    return value === undefined ? !needed : typeof value === 'string' && value.length >= 1 && value.length <= max;
  };
  const seconds = members['durationSeconds'] ?? SESSION_SECONDS;
  const isValid =
    isText('account', 63, true) &&
    isText('userName', 64, true) &&
    isText('password', 128, true) &&
    isText('newPassword', 128, false) &&
    isText('mfaCode', 6, false) &&
    isText('mfaSerialNumber', 256, false) &&
    Number.isInteger(seconds) &&
    (seconds as number) >= MIN_SESSION_SECONDS &&
    (seconds as number) <= SESSION_SECONDS;
  if (!isValid) {
    throw refusal('InvalidRequest', 'Give account, userName and password; see the documentation for the rest.', 400);
  }
  return members as unknown as SignInRequest;
}

/** The account of a number or an alias; undefined where there is none. */
async function accountOf(ctx: Context, given: string): Promise<string | undefined> {
  if (/^\d{12}$/.test(given)) return given;
  const row = await tables(ctx)
    .selectFrom('iam_account_aliases')
    .select('account')
    .where('alias', '=', given)
    .executeTakeFirst();
  return row?.account;
}

const failed = () =>
  refusal('AuthenticationFailure', 'Your authentication information is incorrect. Please try again.', 401);

/** @throws AuthenticationFailure, the same and after the same work for unknown accounts, users and passwords */
async function provePassword(ctx: Context, attempt: Attempt): Promise<LoginProfileRow> {
  const { account, user, given } = attempt;
  const profile = user && (await findLoginProfile(ctx, user.id));
  const name = `${account ?? given.account}/${given.userName.toLowerCase()}`;
  if (await identitiesOf(ctx).guesses.check(ctx, name, given.password, profile?.hash)) return profile!;
  recordFailure(ctx, attempt, false);
  throw failed();
}

function recordFailure(ctx: Context, { account, user }: Attempt, mfaUsed: boolean): void {
  if (account === undefined) return;
  const errorMessage = user === undefined ? 'No username found in supplied account' : 'Failed authentication';
  asUser(ctx, account, user).record(signInRecord({ outcome: 'Failure', mfaUsed, errorMessage }));
}

/** Of a name that nobody has, records show nothing: people type passwords into the wrong field. */
function asUser(ctx: Context, account: string, user: UserRow | undefined): Context {
  return ctx.withCaller(
    user === undefined
      ? { type: 'IAMUser', account, arn: '', principalId: '', userName: 'HIDDEN_DUE_TO_SECURITY_REASONS' }
      : callerOf(user),
  );
}

function callerOf(user: UserRow): UserCaller {
  const { account, id, name } = user;
  return { type: 'IAMUser', account, arn: entityArn('user', user), principalId: id, userName: name };
}

/** Whether a device was shown; whoever has one must show it. @throws MfaRequired, AuthenticationFailure */
async function proveDevice(ctx: Context, attempt: Proved): Promise<boolean> {
  const { user, given } = attempt;
  const devices = await devicesOf(ctx, user.id);
  if (devices.length === 0) return false;
  const serial = given.mfaSerialNumber ?? devices[0]!.serial;
  if (given.mfaCode === undefined) {
    const serialNumbers = devices.map((device) => device.serial);
    throw refusal('MfaRequired', 'Give the code of an MFA device.', 401, { mfaSerialNumbers: serialNumbers });
  }
  if (await spendCode(ctx, user.id, serial, given.mfaCode)) return true;
  recordFailure(ctx, attempt, true);
  throw failed();
}

/** Changes the password where it must be, or is asked to be. @throws PasswordChangeRequired, PasswordExpired */
async function changeWhereDue(ctx: Context, { user, profile, given }: Proved): Promise<void> {
  const policy = await passwordPolicyOf(ctx, user.account);
  const expiry = expiryOf(policy, profile.changed_at);
  const isExpired = expiry !== undefined && ctx.now().getTime() >= expiry;
  if (isExpired && policy?.hard_expiry === 1) {
    throw refusal('PasswordExpired', 'Your password has expired. Ask your administrator to set another one.', 403);
  }
  if (given.newPassword === undefined) {
    if (!isExpired && profile.reset_required === 0) return;
    throw refusal('PasswordChangeRequired', 'Your password must be changed: give a new one.', 403);
  }
  if (given.newPassword === given.password) {
    throw refusal('PasswordPolicyViolationException', 'The new password must differ from the old one.', 400);
  }
  const self = asUser(ctx, user.account, user);
  await self.authorize('iam:ChangePassword', await allowedToChangePassword(self, { arn: entityArn('user', user) }));
  await changeOwnPassword(self, user, profile, given.newPassword);
}

async function openConsoleSession(ctx: Context, { user, given }: Proved, mfaAuthenticated: boolean): Promise<object> {
  const self = asUser(ctx, user.account, user);
  const now = ctx.now().getTime();
  await self.tx(async (tx) => {
    await tables(tx).updateTable('iam_users').set({ password_last_used_at: now }).where('id', '=', user.id).execute();
    await tx.record(signInRecord({ outcome: 'Success', mfaUsed: mfaAuthenticated }));
  });
  const mfa = mfaAuthenticated ? { mfaAuthenticatedAt: now } : {};
  const caller: UserCaller = { ...callerOf(user), ...mfa, issuedAt: now, signedIn: true };
  const durationSeconds = given.durationSeconds ?? SESSION_SECONDS;
  const credentials = await ctx.identity.openSession({ caller, sessionPolicies: [], durationSeconds }, self);
  return {
    account: user.account,
    userName: user.name,
    arn: caller.arn,
    mfaAuthenticated,
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      sessionToken: credentials.sessionToken,
      expiration: new Date(credentials.expiresAt).toISOString(),
    },
  };
}
