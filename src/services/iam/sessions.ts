import type { Credential, SessionCaller, SessionDraft, TemporaryCredentials } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { findAccount, isOpen } from './accounts.ts';
import { compileDocument } from './documents.ts';
import { newAccessKeyId, newSecretAccessKey, newSessionToken } from './identifiers.ts';
import { entityArn } from './store.ts';
import { tables } from './tables.ts';

const PURPOSE = 'iam.session';
/** An expired key is answered with ExpiredToken for a day, then it is unknown. */
const KEPT_AFTER_EXPIRY_MS = 24 * 3_600_000;
/** Swept with each new session, so that the table never grows beyond what lives. */
const SWEPT_AT_ONCE = 50;

interface SealedSecrets {
  secretAccessKey: string;
  sessionToken: string;
}

/** The temporary credential of an `ASIA` key id; undefined when there is none. */
export async function findSession(ctx: Context, accessKeyId: string): Promise<Credential | undefined> {
  const row = await tables(ctx).selectFrom('iam_sessions').selectAll().where('id', '=', accessKeyId).executeTakeFirst();
  if (row === undefined) {
    // As much is read as for a role's session that is there.
    await tables(ctx).selectFrom('iam_roles').select('id').where('id', '=', accessKeyId).executeTakeFirst();
    await findAccount(ctx, accessKeyId);
    return undefined;
  }
  const secrets = JSON.parse(ctx.secrets.open(PURPOSE, accessKeyId, row.secrets).toString()) as SealedSecrets;
  const documents = JSON.parse(row.session_policies) as string[];
  const caller = await callerNow(ctx, JSON.parse(row.caller) as SessionCaller);
  const account = await findAccount(ctx, row.account);
  if (caller === undefined || !isOpen(ctx, account)) return undefined;
  return {
    accessKeyId,
    ...secrets,
    expiresAt: row.expires_at,
    active: true,
    caller:
      'sessionPolicies' in caller
        ? { ...caller, sessionPolicies: documents.map((document) => compileDocument(document, 'identity')) }
        : caller,
  };
}

/**
 * The caller of a session as he is now: a user keeps his session when he is renamed, under the new name. Undefined when
 * the user or role is gone, also where another one has its name: the session ends with whom it was made for.
 */
async function callerNow(ctx: Context, caller: SessionCaller): Promise<SessionCaller | undefined> {
  if (caller.type === 'Root') return caller;
  if (caller.type === 'FederatedUser') {
    const { maker } = caller;
    if (maker.type === 'Root') return caller;
    const owner = tables(ctx).selectFrom('iam_users').selectAll().where('id', '=', maker.principalId);
    const user = await owner.executeTakeFirst();
    return user && { ...caller, maker: { ...maker, arn: entityArn('user', user), userName: user.name } };
  }
  if (caller.type === 'AssumedRole') {
    const role = tables(ctx).selectFrom('iam_roles').select('id').where('id', '=', caller.roleId);
    return (await role.executeTakeFirst()) && caller;
  }
  const users = tables(ctx).selectFrom('iam_users').selectAll().where('id', '=', caller.principalId);
  const user = await users.executeTakeFirst();
  return user && { ...caller, arn: entityArn('user', user), userName: user.name };
}

/** Makes temporary credentials and stores them. */
export async function openSession(session: SessionDraft, ctx: Context): Promise<TemporaryCredentials> {
  const { caller, sessionPolicies, durationSeconds } = session;
  const now = ctx.now().getTime();
  const expiresAt = now + durationSeconds * 1000;
  const secrets: SealedSecrets = {
    secretAccessKey: newSecretAccessKey(ctx.ids),
    sessionToken: newSessionToken(ctx.ids),
  };
  for (;;) {
    const accessKeyId = newAccessKeyId(ctx.ids, 'ASIA', caller.account);
    const row = {
      id: accessKeyId,
      account: caller.account,
      secrets: ctx.secrets.seal(PURPOSE, accessKeyId, JSON.stringify(secrets)),
      // Whatever opens it, a session knows since when it is one.
      caller: JSON.stringify({ issuedAt: now, ...withoutPolicies(caller), accessKeyId }),
      session_policies: JSON.stringify(sessionPolicies),
      expires_at: expiresAt,
    };
    const stored = await ctx.tx(async (tx) => {
      const inserted = await tables(tx)
        .insertInto('iam_sessions')
        .values(row)
        .onConflict((c) => c.column('id').doNothing())
        .executeTakeFirst();
      const old = tables(tx)
        .selectFrom('iam_sessions')
        .select('id')
        .where('expires_at', '<', now - KEPT_AFTER_EXPIRY_MS)
        .limit(SWEPT_AT_ONCE);
      await tables(tx).deleteFrom('iam_sessions').where('id', 'in', old).execute();
      return inserted.numInsertedOrUpdatedRows === 1n;
    });
    // The id holds the account and 39 random bits: it may, rarely, be taken.
    if (stored) return { accessKeyId, ...secrets, expiresAt };
  }
}

function withoutPolicies(caller: SessionCaller): object {
  return 'sessionPolicies' in caller ? { ...caller, sessionPolicies: [] } : caller;
}
