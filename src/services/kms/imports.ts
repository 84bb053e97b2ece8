import { createPrivateKey, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import * as sdk from '@aws-sdk/client-kms';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { checkMaterial } from './imported-material.ts';
import { keyByName, namedKeyConditions } from './key-access.ts';
import { changeKeys, type Key } from './key-cache.ts';
import { DAY_MS } from './key-deletion.ts';
import { onKey } from './key-operations.ts';
import { specOf } from './key-specs.ts';
import { keyRow, requireState, updateKey } from './key-states.ts';
import { LIFECYCLE } from './lifecycle-name.ts';
import { addMaterial, hasAllMaterial, materialRows, removeMaterial, updateMaterial } from './material-rows.ts';
import { materialId, sealMaterial } from './materials.ts';
import { primaryOf } from './multi-region-rows.ts';
import type { KeyTable, MaterialTable } from './tables.ts';
import { unwrap, WRAPPING } from './wrapping.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const makePair = promisify(generateKeyPair);
const PURPOSE = 'kms.import-token';
const TOKEN_LIFE_MS = DAY_MS;
const MAX_EXPIRY_DAYS = 365;
const IMPORTABLE = ['Enabled', 'Disabled', 'PendingImport'] as const;

/** What an import token carries, sealed: the private wrapping key is stored nowhere else. */
interface ImportToken {
  readonly keyArn: string;
  readonly algorithm: sdk.AlgorithmSpec;
  readonly privateKey: string;
  readonly expiresAt: number;
}

function requireImported(key: Pick<Key, 'arn' | 'origin'>): void {
  if (key.origin === 'EXTERNAL') return;
  throw fault(
    sdk.UnsupportedOperationException,
    `${key.arn} origin is ${key.origin} which is not valid for this operation.`,
  );
}

export const GetParametersForImport: Op<'GetParametersForImport'> = {
  ...onKey('GetParametersForImport'),
  conditions: async ({ KeyId, WrappingAlgorithm, WrappingKeySpec }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    'kms:WrappingAlgorithm': WrappingAlgorithm,
    'kms:WrappingKeySpec': WrappingKeySpec,
  }),
  async handle({ KeyId, WrappingAlgorithm, WrappingKeySpec }, ctx) {
    const key = await keyByName(ctx, KeyId);
    requireImported(key);
    requireState(key, ...IMPORTABLE);
    const scheme = WRAPPING[WrappingAlgorithm];
    if (scheme === undefined || !WrappingKeySpec.startsWith('RSA_')) {
      throw fault(sdk.UnsupportedOperationException, `${WrappingAlgorithm} with ${WrappingKeySpec} is not supported.`);
    }
    if (specOf(key).kind === 'rsa' && !scheme.wrapsAes) {
      throw fault(
        sdk.UnsupportedOperationException,
        `${WrappingAlgorithm} cannot wrap a key with key spec ${key.spec}.`,
      );
    }
    const modulusLength = Number(WrappingKeySpec.slice('RSA_'.length));
    const { privateKey, publicKey } = await makePair('rsa', { modulusLength, publicExponent: 65_537 });
    const expiresAt = ctx.now().getTime() + TOKEN_LIFE_MS;
    const token: ImportToken = {
      keyArn: key.arn,
      algorithm: WrappingAlgorithm,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
      expiresAt,
    };
    return {
      KeyId: key.arn,
      ImportToken: Buffer.from(ctx.secrets.seal(PURPOSE, '', JSON.stringify(token)), 'base64'),
      PublicKey: publicKey.export({ type: 'spki', format: 'der' }),
      ParametersValidTo: new Date(expiresAt),
    };
  },
};

function readToken({ secrets }: Context, token: Uint8Array, keyArn: string, now: number): ImportToken {
  let read: ImportToken | undefined;
  try {
    read = JSON.parse(secrets.open(PURPOSE, '', Buffer.from(token).toString('base64')).toString()) as ImportToken;
  } catch {
    // said below
  }
  if (read === undefined || read.keyArn !== keyArn) {
    throw fault(sdk.InvalidImportTokenException, 'The import token is not one of this key.');
  }
  if (read.expiresAt <= now) throw fault(sdk.ExpiredImportTokenException, 'The import token has expired.');
  return read;
}

export const ImportKeyMaterial: Op<'ImportKeyMaterial'> = {
  ...onKey('ImportKeyMaterial'),
  conditions: async ({ KeyId, ExpirationModel = 'KEY_MATERIAL_EXPIRES', ValidTo }, ctx) => ({
    ...(await namedKeyConditions(ctx, KeyId)),
    'kms:ExpirationModel': ExpirationModel,
    ...(ValidTo === undefined ? {} : { 'kms:ValidTo': ValidTo.toISOString() }),
  }),
  async handle(input, ctx) {
    const key = await keyByName(ctx, input.KeyId);
    requireImported(key);
    requireState(key, ...IMPORTABLE);
    const validTo = expiryOf(ctx, input);
    checkOptions(key, input);
    const token = readToken(ctx, input.ImportToken, key.arn, ctx.now().getTime());
    const privateKey = createPrivateKey({ key: Buffer.from(token.privateKey, 'base64'), format: 'der', type: 'pkcs8' });
    const bytes = unwrap(token.algorithm, privateKey, input.EncryptedKeyMaterial);
    if (bytes === undefined) throw fault(sdk.InvalidCiphertextException, '');
    const material = checkMaterial(key, bytes);
    const id = materialId(ctx, key.id, material);
    await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, key.arn);
      requireState(row, ...IMPORTABLE);
      const rows = await materialRows(tx, row.arn);
      const known = rows.find((one) => one.id === id);
      checkImportType(row, rows, known, id, input);
      const values = { valid_to: validTo, ...descriptionOf(input) };
      if (known === undefined) {
        if (row.multi_region === 'REPLICA') await requirePrimaryHas(tx, row, id);
        const state = rows.length === 0 ? 'CURRENT' : 'PENDING_ROTATION';
        await addMaterial(ctx, tx, material, { key_arn: row.arn, id, state, ...values });
        if (rows.length === 0) await updateKey(tx, row.arn, { current_material: id });
      } else {
        await updateMaterial(tx, row.arn, id, { ...values, sealed: sealMaterial(ctx, row.arn, id, material) });
      }
      if (row.state === 'PendingImport' && (await hasAllMaterial(tx, row.arn))) {
        await updateKey(tx, row.arn, { state: 'Enabled' });
      }
      if (validTo !== null) await tx.wake(LIFECYCLE, row.arn, new Date(validTo));
    });
    return { KeyId: key.arn, ...(specOf(key).kind === 'symmetric' ? { KeyMaterialId: id } : {}) };
  },
};

type ImportInput = sdk.ImportKeyMaterialCommandInput;

const invalid = (message: string) => commonFault('ValidationError', message);

/** Epoch milliseconds at which the material expires; null for never. */
function expiryOf(ctx: Context, { ExpirationModel = 'KEY_MATERIAL_EXPIRES', ValidTo }: ImportInput): number | null {
  if (ExpirationModel === 'KEY_MATERIAL_DOES_NOT_EXPIRE') {
    if (ValidTo === undefined) return null;
    throw invalid('A ValidTo value cannot be set when the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE.');
  }
  if (ValidTo === undefined)
    throw invalid('A ValidTo date must be set when the ExpirationModel is KEY_MATERIAL_EXPIRES.');
  const now = ctx.now().getTime();
  const at = ValidTo.getTime();
  if (at > now && at <= now + MAX_EXPIRY_DAYS * DAY_MS) return at;
  throw invalid(`ValidTo must be in the future, and no more than ${MAX_EXPIRY_DAYS} days from now.`);
}

function checkOptions(key: Key, { ImportType, KeyMaterialDescription, KeyMaterialId }: ImportInput): void {
  const given = ImportType ?? KeyMaterialDescription ?? KeyMaterialId;
  if (given !== undefined && specOf(key).kind !== 'symmetric') {
    throw invalid('ImportType, KeyMaterialDescription and KeyMaterialId are for symmetric encryption keys only.');
  }
  if (ImportType === 'NEW_KEY_MATERIAL' && KeyMaterialId !== undefined) {
    throw invalid('KeyMaterialId cannot be given with ImportType NEW_KEY_MATERIAL.');
  }
}

/** @throws IncorrectKeyMaterialException, UnsupportedOperationException, KMSInvalidStateException */
function checkImportType(
  row: KeyTable,
  rows: readonly MaterialTable[],
  known: MaterialTable | undefined,
  id: string,
  { ImportType, KeyMaterialId }: ImportInput,
): void {
  const wrong = () =>
    fault(sdk.IncorrectKeyMaterialException, 'The key material is not the one that was imported into this key before.');
  if (KeyMaterialId !== undefined && KeyMaterialId !== id) throw wrong();
  if (rows.length === 0) return;
  const isNew = ImportType === 'NEW_KEY_MATERIAL';
  if (!isNew && known === undefined) throw wrong();
  if (!isNew) return;
  if (known !== undefined) {
    throw fault(sdk.IncorrectKeyMaterialException, 'The key material was imported into this key before.');
  }
  if (row.multi_region !== null) {
    const text = `New key material for ${row.arn} is not supported: it is a multi-Region key.`;
    throw fault(sdk.UnsupportedOperationException, text);
  }
  if (rows.some(({ state }) => state === 'PENDING_ROTATION')) {
    throw fault(sdk.KMSInvalidStateException, `${row.arn} has key material that is pending rotation already.`);
  }
}

/** A replica takes the material of its primary key and no other. */
async function requirePrimaryHas(tx: Tx, replica: KeyTable, id: string): Promise<void> {
  const primary = await primaryOf(tx, replica);
  const rows = primary === undefined ? [] : await materialRows(tx, primary.arn);
  if (rows.some((row) => row.id === id)) return;
  throw fault(sdk.IncorrectKeyMaterialException, 'The key material is not the one of the primary key.');
}

function descriptionOf({ KeyMaterialDescription: text }: ImportInput): Partial<MaterialTable> {
  return text === undefined ? {} : { description: text };
}

export const DeleteImportedKeyMaterial: Op<'DeleteImportedKeyMaterial'> = {
  ...onKey('DeleteImportedKeyMaterial'),
  async handle({ KeyId, KeyMaterialId }, ctx) {
    const { arn, spec } = await keyByName(ctx, KeyId);
    const id = await changeKeys(ctx, async (tx) => {
      const row = await keyRow(tx, arn);
      requireImported(row);
      requireState(row, 'Enabled', 'Disabled', 'PendingImport', 'PendingDeletion');
      const rows = await materialRows(tx, arn);
      const material = rows.find((one) => one.id === (KeyMaterialId ?? row.current_material));
      if (material === undefined) {
        if (KeyMaterialId === undefined) return undefined;
        throw fault(sdk.NotFoundException, `Key material ${KeyMaterialId} not found`);
      }
      if (material.state === 'PENDING_ROTATION') await removeMaterial(tx, arn, material.id);
      else {
        await updateMaterial(tx, arn, material.id, { sealed: null });
        if (row.state === 'Enabled' || row.state === 'Disabled') await updateKey(tx, arn, { state: 'PendingImport' });
      }
      return material.id;
    });
    return { KeyId: arn, ...(id === undefined || spec !== 'SYMMETRIC_DEFAULT' ? {} : { KeyMaterialId: id }) };
  },
};
