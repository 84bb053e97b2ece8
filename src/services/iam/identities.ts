import { parseArn } from '../../kernel/arn.ts';
import type {
  AssumableRole,
  Caller,
  CallerPolicies,
  Credential,
  FederatedUserCaller,
  IdentitySource,
  OpenIdProvider,
  SamlProvider,
  SessionDraft,
  SshPublicKey,
  TemporaryCredentials,
  UserCaller,
} from '../../kernel/auth/identity.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { ReadCache } from '../../kernel/store/read-cache.ts';
import { isOpenAccount } from './accounts.ts';
import { ConsolePasswords } from './console-passwords.ts';
import { compileDocument } from './documents.ts';
import { KeyUse } from './key-use.ts';
import { findKey, userCaller } from './long-term-keys.ts';
import { findManagedDocument } from './managed-documents.ts';
import { spendCode } from './mfa-codes.ts';
import { type OwnerPolicies, policiesOfRole, policiesOfUser } from './owner-policies.ts';
import { PasswordGuard } from './password-guard.ts';
import { PrincipalUse } from './principal-use.ts';
import { findOpenIdProvider, findSamlProvider } from './provider-tables.ts';
import { findSession, openSession } from './sessions.ts';
import { entityArn, findEntity } from './store.ts';
import { tables } from './tables.ts';

/** What is kept of each kind. */
const MAX_CACHED = 20_000;
/** Ids that nobody has come from outside, as many as anybody likes: those that are there are not driven out by them. */
const MAX_REFUSED = 10_000;
/** Another node's change is seen within this time; a single node hears of every change at once. */
const SHARED_AGE_MS = 500;
const SINGLE_AGE_MS = 60_000;

interface PasswordRecord {
  readonly credentialId: string;
  readonly service: string;
  readonly digest: string;
  readonly active: boolean;
  readonly caller: UserCaller;
}

/** Answers the kernel's questions about identities, from caches that every change of IAM empties. */
export class Identities implements IdentitySource {
  readonly keyUse: KeyUse;
  readonly principalUse: PrincipalUse;
  readonly guesses: ConsolePasswords;
  readonly #ctx: Context;
  readonly #credentials: ReadCache<Credential>;
  /** Ids that were refused and have been looked up for it: of no key, or of one whose signature was wrong. */
  readonly #refused: ReadCache<'unknown' | 'wrong'>;
  readonly #policies: ReadCache<OwnerPolicies>;
  readonly #roles: ReadCache<AssumableRole>;
  readonly #passwords: ReadCache<PasswordRecord>;
  readonly #sshKeys: ReadCache<SshPublicKey>;
  readonly #guard: PasswordGuard;

  constructor(ctx: Context, limits = { cached: MAX_CACHED, refused: MAX_REFUSED }) {
    this.#ctx = ctx;
    const isShared = ctx.config.databaseUrl !== '';
    const options = { maxAgeMs: isShared ? SHARED_AGE_MS : SINGLE_AGE_MS, maxEntries: limits.cached };
    this.#credentials = new ReadCache(ctx.clock, options);
    this.#refused = new ReadCache(ctx.clock, { ...options, maxEntries: limits.refused });
    this.#policies = new ReadCache(ctx.clock, options);
    this.#roles = new ReadCache(ctx.clock, options);
    this.#passwords = new ReadCache(ctx.clock, options);
    this.#sshKeys = new ReadCache(ctx.clock, options);
    this.#guard = new PasswordGuard(ctx.clock, ctx.secrets);
    this.principalUse = new PrincipalUse(ctx);
    this.guesses = new ConsolePasswords(ctx);
    this.keyUse = new KeyUse(ctx);
  }

  /** Drops everything kept: called after each commit that changed an identity or a policy. */
  forget(): void {
    this.#credentials.clear();
    this.#refused.clear();
    this.#policies.clear();
    this.#roles.clear();
    this.#passwords.clear();
    this.#sshKeys.clear();
  }

  findCredential(accessKeyId: string): Credential | undefined | Promise<Credential | undefined> {
    if (this.#refused.recent(accessKeyId) === 'unknown') return undefined;
    return this.#credentials.get(accessKeyId, async () => {
      let found: Credential | undefined;
      await this.#refused.get(accessKeyId, async () => {
        found = await this.#load(accessKeyId);
        return found === undefined ? 'unknown' : undefined;
      });
      return found;
    });
  }

  async noteRefusal(accessKeyId: string, wasRead: boolean): Promise<boolean> {
    if (this.#refused.recent(accessKeyId) !== undefined) return false;
    await this.#refused.get(accessKeyId, async () => {
      const isThere = wasRead || (await this.#load(accessKeyId)) !== undefined;
      return isThere ? 'wrong' : 'unknown';
    });
    return !wasRead;
  }

  #load(accessKeyId: string): Promise<Credential | undefined> {
    return accessKeyId.startsWith('ASIA') ? findSession(this.#ctx, accessKeyId) : findKey(this.#ctx, accessKeyId);
  }

  policiesOf(caller: Caller): CallerPolicies | Promise<CallerPolicies> {
    if (caller.type === 'IAMUser') {
      const found = this.#policies.get(caller.principalId, () => policiesOfUser(this.#ctx, caller.principalId));
      return found instanceof Promise ? found.then((policies) => policies ?? NOTHING) : (found ?? NOTHING);
    }
    if (caller.type === 'FederatedUser') return this.#policiesOfFederated(caller);
    if (caller.type !== 'AssumedRole') return NOTHING;
    if (caller.invokedBy !== undefined) this.principalUse.noteInside(caller);
    const found = this.#policies.get(caller.roleId, () => policiesOfRole(this.#ctx, caller.roleId));
    const withSession = (policies: OwnerPolicies = NOTHING): CallerPolicies => ({
      ...policies,
      tags: { ...policies.tags, ...caller.sessionTags },
      ...(caller.sessionPolicies.length > 0 ? { session: caller.sessionPolicies } : {}),
    });
    return found instanceof Promise ? found.then(withSession) : withSession(found);
  }

  /** What the maker may do, and only so far as the session's policies go: without one it may do nothing by itself. */
  #policiesOfFederated(caller: FederatedUserCaller): CallerPolicies | Promise<CallerPolicies> {
    const { maker, sessionPolicies, sessionTags } = caller;
    const withSession = (policies: OwnerPolicies = NOTHING): CallerPolicies => ({
      ...policies,
      tags: { ...policies.tags, ...sessionTags },
      session: sessionPolicies,
    });
    if (maker.type === 'Root') return withSession(EVERYTHING);
    const found = this.#policies.get(maker.principalId, () => policiesOfUser(this.#ctx, maker.principalId));
    return found instanceof Promise ? found.then(withSession) : withSession(found);
  }

  async findRole(roleArn: string): Promise<AssumableRole | undefined> {
    return this.#roles.get(roleArn, async () => {
      const { account = '', resource = '' } = parseArn(roleArn) ?? {};
      const name = resource.slice(resource.lastIndexOf('/') + 1);
      const role = await findEntity(this.#ctx, account, 'role', name);
      if (role === undefined || entityArn('role', role) !== roleArn) return undefined;
      if (!(await isOpenAccount(this.#ctx, account))) return undefined;
      return {
        account,
        arn: roleArn,
        name: role.name,
        id: role.id,
        trustPolicy: compileDocument(role.trust_policy, 'trust'),
        maxSessionSeconds: role.max_session_seconds,
      };
    });
  }

  findManagedPolicy(policyArn: string): Promise<string | undefined> {
    return findManagedDocument(this.#ctx, policyArn);
  }

  openSession(session: SessionDraft, ctx: Context): Promise<TemporaryCredentials> {
    return openSession(session, ctx);
  }

  findOpenIdProvider(arn: string): Promise<OpenIdProvider | undefined> {
    return findOpenIdProvider(this.#ctx, arn);
  }

  findSamlProvider(arn: string): Promise<SamlProvider | undefined> {
    return findSamlProvider(this.#ctx, arn);
  }

  noteUse(accessKeyId: string, service: string, region: string): void {
    this.keyUse.note(accessKeyId, service, region);
    const caller = this.#credentials.kept(accessKeyId)?.caller;
    if (caller !== undefined) this.principalUse.note(caller, service, region);
  }

  async verifyServicePassword(
    service: string,
    userName: string,
    password: string,
    address: string,
  ): Promise<Caller | undefined> {
    const record = await this.#passwords.get(userName, () => this.#loadPassword(userName));
    const usable = record?.active === true && record.service === service ? record : undefined;
    return this.#guard.matches({ userName, password, address }, usable?.credentialId, usable?.digest)
      ? usable?.caller
      : undefined;
  }

  async findSshKey(sshPublicKeyId: string): Promise<SshPublicKey | undefined> {
    return this.#sshKeys.get(sshPublicKeyId, async () => {
      const row = await tables(this.#ctx)
        .selectFrom('iam_ssh_keys as k')
        .innerJoin('iam_users as u', 'u.id', 'k.user_id')
        .select(['k.public_key', 'k.status', 'u.id', 'u.account', 'u.name', 'u.path'])
        .where('k.id', '=', sshPublicKeyId)
        .executeTakeFirst();
      if (row === undefined || !(await isOpenAccount(this.#ctx, row.account))) return undefined;
      return { caller: userCaller(row), publicKey: row.public_key, active: row.status === 'Active' };
    });
  }

  async verifyMfa(caller: Caller, serialNumber: string, tokenCode: string): Promise<boolean> {
    if (caller.type !== 'IAMUser' && caller.type !== 'Root') return false;
    return spendCode(this.#ctx, caller.principalId, serialNumber, tokenCode);
  }

  async #loadPassword(userName: string): Promise<PasswordRecord | undefined> {
    const row = await tables(this.#ctx)
      .selectFrom('iam_service_credentials as c')
      .innerJoin('iam_users as u', 'u.id', 'c.user_id')
      .select(['c.id as credential_id', 'c.service', 'c.password', 'c.status', 'u.id', 'u.account', 'u.name', 'u.path'])
      .where('c.user_name', '=', userName)
      .executeTakeFirst();
    if (row === undefined || !(await isOpenAccount(this.#ctx, row.account))) return undefined;
    return {
      credentialId: row.credential_id,
      service: row.service,
      digest: row.password,
      active: row.status === 'Active',
      caller: userCaller(row),
    };
  }
}

const NOTHING: OwnerPolicies = { identity: [] };
/** What a root user may do, for the sessions that he narrows. */
const EVERYTHING: OwnerPolicies = {
  identity: [
    compileDocument('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', 'identity'),
  ],
};

/** This installation's identities. */
export function identitiesOf({ identity }: Context): Identities {
  if (identity instanceof Identities) return identity;
  throw new TypeError('identities are provided by another service');
}

/** A transaction that changes identities or policies: the caches are emptied as soon as it is committed. */
export function changeIdentities<T>(ctx: Context, run: (tx: Tx) => Promise<T>): Promise<T> {
  return ctx.tx((tx) => {
    tx.afterCommit(() => identitiesOf(ctx).forget());
    return run(tx);
  });
}
