import { createHash, createHmac } from 'node:crypto';
import { findCredential, sameText } from '../../kernel/auth/authenticate.ts';
import { parseBasicTime } from '../../kernel/auth/credential-scope.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import { signingKey } from '../../kernel/auth/signing-key.ts';
import type { Context } from '../../kernel/context.ts';

/** User name and password of a Basic header, the name cut at its first `%` (what follows is a session token). */
export interface GitPassword {
  userName: string;
  sessionToken: string | undefined;
  password: string;
}

/** What a signed password was made for. Neither host nor region is sent, so each candidate is tried. */
export interface SignedFor {
  /** Paths that the client may have signed: the repository's as in the URL, `/v1/repos/NAME`. */
  paths: readonly string[];
  /** Names under which the client may know this server. */
  hosts(): readonly string[];
  /** Regions that may be meant by a caller of that account. */
  regions(account: string): Promise<readonly string[]>;
}

/** Whom a password stands for. `region` is known where it was signed. */
export type GitIdentity =
  | { outcome: 'known'; caller: Caller; region: string | undefined }
  /** Wrong or outdated: git shall ask for another one, or drop the one it keeps. */
  | { outcome: 'unknown' }
  /** Made with keys that are no good any more: asking again would bring the same. */
  | { outcome: 'expired' };

const ACCESS_KEY_ID = /^A[KS]IA[A-Z0-9]{12,}$/;
const SIGNED_PASSWORD = /^(\d{8}T\d{6})Z([0-9a-f]{64})$/;
/** Source: CodeCommit User Guide, "Troubleshooting the credential helper": passwords are good for about 15 minutes. */
const WINDOW_MS = 15 * 60_000;
const MAX_HEADER_CHARACTERS = 16 * 1024;

/** Reads a Basic header (RFC 7617); undefined when it is none. The user name is not percent-decoded. */
export function readBasic(header: string | undefined): GitPassword | undefined {
  if (header === undefined || header.length > MAX_HEADER_CHARACTERS) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  const [user, password] = [text.slice(0, colon), text.slice(colon + 1)];
  const percent = user.indexOf('%');
  if (percent < 0) return { userName: user, sessionToken: undefined, password };
  return { userName: user.slice(0, percent), sessionToken: user.slice(percent + 1), password };
}

/**
 * Finds out who sent a password: one made by IAM for git, or one that `aws codecommit credential-helper` or
 * git-remote-codecommit has signed with access keys.
 */
export async function identifyGitUser(ctx: Context, given: GitPassword, signedFor: SignedFor): Promise<GitIdentity> {
  const signed = SIGNED_PASSWORD.exec(given.password);
  if (signed !== null) return verifySigned(ctx, given, { timestamp: signed[1]!, signature: signed[2]! }, signedFor);
  if (given.sessionToken !== undefined) return { outcome: 'unknown' };
  const { userName, password } = given;
  const caller = await ctx.identity.verifyServicePassword('codecommit.amazonaws.com', userName, password, ctx.sourceIp);
  return caller === undefined ? { outcome: 'unknown' } : { outcome: 'known', caller, region: undefined };
}

/**
 * What a user is told whose password stands for nobody. It depends on the form of what was sent and on nothing else: an
 * unknown user, a wrong password and inactive credentials must read the same.
 */
export function whyUnknown({ userName, password }: GitPassword): string {
  if (SIGNED_PASSWORD.test(password)) {
    return (
      'This signed password is not accepted: it is older than 15 minutes, its access key is unknown or inactive, or it ' +
      'was signed with another secret, or for another server, repository or Region.'
    );
  }
  if (ACCESS_KEY_ID.test(userName)) {
    return (
      'An access key and its secret are no git credentials: let the credential helper sign a password with them, or ' +
      'make git credentials with "aws iam create-service-specific-credential".'
    );
  }
  return (
    'The user name or the password is wrong, or these git credentials are inactive. The user name is the ' +
    'ServiceUserName of "aws iam list-service-specific-credentials".'
  );
}

async function verifySigned(
  ctx: Context,
  { userName, sessionToken }: GitPassword,
  { timestamp, signature }: { timestamp: string; signature: string },
  signedFor: SignedFor,
): Promise<GitIdentity> {
  const found = findCredential(ctx, userName);
  const credential = await found;
  // Without a usable key the same work is done with a key of nobody.
  const secret = credential?.active === true ? credential.secretAccessKey : 'none';
  const account = credential !== undefined && 'account' in credential.caller ? credential.caller.account : ctx.account;
  const expected = { timestamp, signature, userName, secret };
  const region = matchingRegion(expected, signedFor, await signedFor.regions(account));
  const time = parseBasicTime(`${timestamp}Z`);
  const isCurrent = Math.abs(ctx.now().getTime() - time) <= WINDOW_MS;
  if (credential?.active !== true || region === undefined || !isCurrent) {
    await ctx.identity.noteRefusal(userName, found instanceof Promise);
    return { outcome: 'unknown' };
  }
  if (!hasItsToken(ctx, credential, sessionToken)) return { outcome: 'expired' };
  ctx.identity.noteUse(userName, 'codecommit', region);
  return { outcome: 'known', caller: credential.caller, region };
}

function hasItsToken(
  ctx: Context,
  credential: { sessionToken?: string; expiresAt?: number },
  given: string | undefined,
): boolean {
  const { sessionToken, expiresAt } = credential;
  if (sessionToken === undefined) return given === undefined;
  if (given === undefined || !sameText(given, sessionToken)) return false;
  return expiresAt === undefined || ctx.now().getTime() < expiresAt;
}

/** The region whose signature it is. Every candidate is computed, so that the time tells nothing. */
function matchingRegion(
  given: { timestamp: string; signature: string; userName: string; secret: string },
  { paths, hosts }: SignedFor,
  regions: readonly string[],
): string | undefined {
  const names = hosts();
  let found: string | undefined;
  for (const region of regions) {
    for (const host of names) {
      for (const path of paths) {
        const signature = signGitPassword({ ...given, region, host, path });
        if (sameText(signature, given.signature)) found ??= region;
      }
    }
  }
  return found;
}

/**
 * The signature of a git password: SigV4 over a request of its own, without payload hash and date header, and with a
 * timestamp without `Z`. Source: awscli, customizations/codecommit.py.
 * @returns 64 hexadecimal digits; the password is `<timestamp>Z<signature>`.
 */
export function signGitPassword(request: {
  userName: string;
  secret: string;
  /** `YYYYMMDDTHHMMSS` */
  timestamp: string;
  region: string;
  host: string;
  path: string;
}): string {
  const { userName, secret, timestamp, region, host, path } = request;
  const canonical = `GIT\n${path}\n\nhost:${host}\n\nhost\n`;
  const date = timestamp.slice(0, 8);
  const hash = createHash('sha256').update(canonical).digest('hex');
  const text = `AWS4-HMAC-SHA256\n${timestamp}\n${date}/${region}/codecommit/aws4_request\n${hash}`;
  return createHmac('sha256', signingKey(userName, secret, date, region, 'codecommit'))
    .update(text)
    .digest('hex');
}
