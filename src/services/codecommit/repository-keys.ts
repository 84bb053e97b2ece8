import * as sdk from '@aws-sdk/client-codecommit';
import type * as kmsSdk from '@aws-sdk/client-kms';
import { GitFailure } from '../../git/failure.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { Context, KeyState } from '../../kernel/context.ts';
import { type FaultClass, fault, isFault } from '../../kernel/fault.ts';
import { type RepositoryRow, tables } from './tables.ts';

/** The service on whose behalf KMS is asked; its keys' policies name it in `kms:ViaService`. */
const PRINCIPAL = 'codecommit.amazonaws.com';
/** Key of repositories that are made without one. Source: CodeCommit User Guide, "AWS KMS and encryption". */
export const DEFAULT_KEY = 'alias/aws/codecommit';
/** How long a caller's permission to use a key is taken for granted. */
const GRANT_MS = 1_000;
const MAX_GRANTS = 10_000;
/** Keys of repositories that were not used for the longest time leave the memory. */
const MAX_OPEN_KEYS = 4_096;

/** A data key that KMS has wrapped, as the row keeps it. */
export interface WrappedKey {
  /** ARN of the KMS key. */
  kms_key_arn: string;
  /** Base64. */
  data_key: string;
}

interface OpenKey {
  keyArn: string;
  wrapped: string;
  plain: Buffer;
}

type Locked = Pick<RepositoryRow, 'id' | 'kms_key_arn' | 'data_key'>;

/** Binds a data key to its repository. Source: CodeCommit User Guide, "AWS KMS and encryption", encryption context. */
function encryptionContext(repositoryId: string): Record<string, string> {
  return { 'aws:codecommit:id': repositoryId };
}

/**
 * Makes a data key for a new repository, as the caller.
 * @param kmsKeyId id, ARN or alias of a KMS key
 * @throws EncryptionKeyNotFoundException and the others of its kind
 */
export async function makeDataKey(ctx: Context, repositoryId: string, kmsKeyId = DEFAULT_KEY): Promise<WrappedKey> {
  const { CiphertextBlob, KeyId } = await asking(() =>
    ctx
      .forward(PRINCIPAL)
      .call<typeof kmsSdk, 'GenerateDataKeyWithoutPlaintext'>('kms', 'GenerateDataKeyWithoutPlaintext', {
        KeyId: kmsKeyId,
        KeySpec: 'AES_256',
        EncryptionContext: encryptionContext(repositoryId),
      }),
  );
  return { kms_key_arn: KeyId!, data_key: Buffer.from(CiphertextBlob!).toString('base64') };
}

/** Data keys of the repositories in use, in plaintext, in memory only. */
export class RepositoryKeys {
  /** The service's own: it outlives every request. */
  readonly #ctx: Context;
  /** By repository id, in order of use, the longest unused first. */
  readonly #open = new Map<string, OpenKey>();
  /** Time by caller and repository. */
  readonly #grants = new Map<string, number>();

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  /**
   * Lets the caller use the repository's objects, if the key's policies let him: has KMS open the data key in his name,
   * at most once a second, and looks at the key's state in any case.
   * @throws EncryptionKeyDisabledException and the others of its kind
   */
  async unlock(ctx: Context, repository: Locked): Promise<void> {
    const { kms_key_arn: keyArn, data_key: wrapped } = await this.#withKey(ctx, repository);
    const open = this.#open.get(repository.id);
    if (open?.wrapped === wrapped) {
      await this.#requireEnabled(repository.id, keyArn);
      // What Slipway does by itself with a repository in use follows what a caller was allowed.
      if (ctx.caller.type === 'AWSService' && ctx.caller.service === PRINCIPAL) return;
      if (this.#isGranted(ctx, repository.id, wrapped)) return;
    }
    const { Plaintext } = await asking(() =>
      ctx.forward(PRINCIPAL).call<typeof kmsSdk, 'Decrypt'>('kms', 'Decrypt', {
        KeyId: keyArn,
        CiphertextBlob: Buffer.from(wrapped, 'base64'),
        EncryptionContext: encryptionContext(repository.id),
      }),
    );
    this.#keep(repository.id, { keyArn, wrapped, plain: Buffer.from(Plaintext!) });
    this.#grant(ctx, repository.id, wrapped);
  }

  /**
   * The data key of a repository that somebody has unlocked.
   * @throws {GitFailure} `key-refused` while it is not in memory or the KMS key is not enabled; the cause is the fault
   */
  async use(repositoryId: string): Promise<Buffer> {
    const open = this.#open.get(repositoryId);
    try {
      if (open === undefined)
        throw fault(sdk.EncryptionKeyUnavailableException, 'The encryption key is not available.');
      await this.#requireEnabled(repositoryId, open.keyArn);
      return open.plain;
    } catch (error) {
      if (!isFault(error)) throw error;
      throw new GitFailure('key-refused', error.message, { cause: error });
    }
  }

  /** Wraps the data key anew, under another KMS key, as the caller. The key itself and all packs stay as they are. */
  async rewrap(ctx: Context, repository: Locked, kmsKeyId: string): Promise<WrappedKey> {
    await this.unlock(ctx, repository);
    const Plaintext = await this.use(repository.id).catch((error: unknown) => {
      throw error instanceof GitFailure ? error.cause : error;
    });
    const { CiphertextBlob, KeyId } = await asking(() =>
      ctx.forward(PRINCIPAL).call<typeof kmsSdk, 'Encrypt'>('kms', 'Encrypt', {
        KeyId: kmsKeyId,
        Plaintext,
        EncryptionContext: encryptionContext(repository.id),
      }),
    );
    return { kms_key_arn: KeyId!, data_key: Buffer.from(CiphertextBlob!).toString('base64') };
  }

  /** Drops the key of a repository that is deleted, or whose KMS key is not to be used. */
  forget(repositoryId: string): void {
    this.#open.delete(repositoryId);
  }

  /** The row's key; repositories of former versions get one now. */
  async #withKey(ctx: Context, { id, kms_key_arn, data_key }: Locked): Promise<WrappedKey> {
    if (kms_key_arn !== null && data_key !== null) return { kms_key_arn, data_key };
    const made = await makeDataKey(ctx, id);
    return this.#ctx.tx(async (tx) => {
      const db = tables(tx);
      const update = db.updateTable('codecommit_repositories').set(made).where('id', '=', id);
      await update.where('data_key', 'is', null).execute();
      const row = await db.selectFrom('codecommit_repositories').selectAll().where('id', '=', id).executeTakeFirst();
      // Somebody else may have been first; of a repository that was deleted meanwhile nothing is left to open.
      return { kms_key_arn: row?.kms_key_arn ?? made.kms_key_arn, data_key: row?.data_key ?? made.data_key };
    });
  }

  async #requireEnabled(repositoryId: string, keyArn: string): Promise<void> {
    const state = await this.#ctx.keyState(keyArn);
    if (state === 'Enabled') return;
    this.forget(repositoryId);
    throw faultOf(state);
  }

  #keep(repositoryId: string, key: OpenKey): void {
    this.#open.delete(repositoryId);
    this.#open.set(repositoryId, key);
    if (this.#open.size > MAX_OPEN_KEYS) this.forget(this.#open.keys().next().value!);
  }

  #isGranted(ctx: Context, repositoryId: string, wrapped: string): boolean {
    const name = grantName(ctx.caller, repositoryId, wrapped);
    const at = name === null ? undefined : this.#grants.get(name);
    return at !== undefined && ctx.clock.monotonicMs() - at < GRANT_MS;
  }

  #grant(ctx: Context, repositoryId: string, wrapped: string): void {
    const name = grantName(ctx.caller, repositoryId, wrapped);
    if (name === null) return;
    this.#grants.delete(name);
    this.#grants.set(name, ctx.clock.monotonicMs());
    if (this.#grants.size > MAX_GRANTS) this.#grants.delete(this.#grants.keys().next().value!);
  }
}

/** What a grant holds for; null for sessions with policies of their own, which must be asked for each time. */
function grantName(caller: Caller, repositoryId: string, wrapped: string): string | null {
  if (!('arn' in caller)) return null;
  if (caller.type !== 'AssumedRole') return JSON.stringify([caller.arn, repositoryId, wrapped]);
  if (caller.sessionPolicies.length > 0) return null;
  return JSON.stringify([caller.arn, caller.roleId, caller.issuedAt, caller.sessionTags, repositoryId, wrapped]);
}

function faultOf(state: KeyState) {
  if (state === 'Disabled') return fault(sdk.EncryptionKeyDisabledException, 'The encryption key is disabled.');
  if (state === 'NotFound') return fault(sdk.EncryptionKeyNotFoundException, 'No encryption key was found.');
  return fault(sdk.EncryptionKeyUnavailableException, 'The encryption key is not available.');
}

/** KMS's refusals in CodeCommit's words. */
const FAULTS: readonly (readonly [names: readonly string[], shape: FaultClass, message: string])[] = [
  [['AccessDenied'], sdk.EncryptionKeyAccessDeniedException, 'The encryption key could not be accessed.'],
  [['DisabledException'], sdk.EncryptionKeyDisabledException, 'The encryption key is disabled.'],
  [['NotFoundException'], sdk.EncryptionKeyNotFoundException, 'No encryption key was found.'],
  [
    ['InvalidKeyUsageException', 'UnsupportedOperationException'],
    sdk.EncryptionKeyInvalidUsageException,
    'The encryption key cannot be used to encrypt a repository.',
  ],
  [
    ['InvalidArnException', 'ValidationException', 'ValidationError'],
    sdk.EncryptionKeyInvalidIdException,
    'The ID of the encryption key is not valid.',
  ],
  [
    ['InvalidCiphertextException', 'IncorrectKeyException'],
    sdk.EncryptionIntegrityChecksFailedException,
    'An encryption integrity check failed.',
  ],
  [
    ['KMSInvalidStateException', 'KeyUnavailableException', 'DependencyTimeoutException', 'KMSInternalException'],
    sdk.EncryptionKeyUnavailableException,
    'The encryption key is not available.',
  ],
];

async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isFault(error)) throw error;
    const known = FAULTS.find(([names]) => names.includes(error.name));
    if (known === undefined) throw error;
    throw fault(known[1], known[2]);
  }
}
