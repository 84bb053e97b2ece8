/** Who signed a form. The signature covers its policy, and the policy every field. */

import { authFault } from '../../kernel/auth/auth-faults.ts';
import { findCredential, noteRefusal, sameText } from '../../kernel/auth/authenticate.ts';
import { checkCredential, parseBasicTime } from '../../kernel/auth/credential-scope.ts';
import { signingKey } from '../../kernel/auth/signing-key.ts';
import { deriveForNobody, signatureMatches } from '../../kernel/auth/sigv4.ts';
import type { Context } from '../../kernel/context.ts';
import { invalidArgument } from './faults.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';
const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;
const MAX_AGE_MS = 7 * 24 * 60 * 60_000;
const SKEW_MS = 15 * 60_000;

/**
 * The context of the one who signed, or the anonymous one for a form that has neither policy nor signature.
 * @throws as S3 does for every other signature
 */
export async function authenticateForm(ctx: Context, fields: ReadonlyMap<string, string>): Promise<Context> {
  if (fields.has('awsaccesskeyid') || fields.has('signature')) throw authFault('s3', 'unsupportedAlgorithm');
  const signed = ['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'];
  const [present, absent] = [signed.filter((name) => fields.has(name)), signed.filter((name) => !fields.has(name))];
  if (present.length === 0 && !fields.has('x-amz-security-token')) return ctx;
  if (absent.length > 0) {
    throw invalidArgument(`Bucket POST must contain a field named '${absent[0]}'.`, absent[0], '');
  }
  const [policy, algorithm, credential, date, signature] = signed.map((name) => fields.get(name)!) as [
    string,
    string,
    string,
    string,
    string,
  ];
  if (algorithm !== ALGORITHM) throw authFault('s3', 'unsupportedAlgorithm');
  const signedAt = parseBasicTime(date);
  const now = ctx.now().getTime();
  if (Number.isNaN(signedAt))
    throw authFault('s3', 'malformedQuery', "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  const scope = checkCredential(credential, date, 'query', {
    style: 's3',
    service: 's3',
    hasRegion: (region) => REGION.test(region),
    now: new Date(now),
  });
  if (signedAt > now + SKEW_MS) throw authFault('s3', 'notYet');
  if (now > signedAt + MAX_AGE_MS) throw authFault('s3', 'expired');
  const found = findCredential(ctx, scope.accessKeyId);
  const known = await found;
  const secret = known?.active === true ? known.secretAccessKey : undefined;
  // The same work is done for a key that does not exist.
  const key =
    secret === undefined
      ? deriveForNobody(scope)
      : signingKey(scope.accessKeyId, secret, scope.date, scope.region, scope.service);
  const matches = signatureMatches(key, policy, signature);
  if (secret === undefined || !matches) await noteRefusal(ctx, scope, found);
  const member = { AWSAccessKeyId: scope.accessKeyId };
  if (secret === undefined) throw authFault('s3', 'unknownKey', undefined, member);
  if (!matches) throw authFault('s3', 'signature', undefined, member);
  checkToken(ctx, known!, fields.get('x-amz-security-token'));
  ctx.identity.noteUse(scope.accessKeyId, scope.service, scope.region);
  return ctx.withCaller(known!.caller, scope.region, { form: 'form', signedAt });
}

type Known = NonNullable<Awaited<ReturnType<typeof findCredential>>>;

function checkToken(ctx: Context, { sessionToken, expiresAt }: Known, token: string | undefined): void {
  if ((sessionToken === undefined) !== (token === undefined)) throw authFault('s3', 'invalidToken');
  if (sessionToken !== undefined && !sameText(token!, sessionToken)) throw authFault('s3', 'invalidToken');
  if (expiresAt !== undefined && ctx.now().getTime() >= expiresAt) throw authFault('s3', 'expiredToken');
}
