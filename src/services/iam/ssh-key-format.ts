import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

/** Shortest RSA key that is taken. Source: IAM API reference, UploadSSHPublicKey. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 16_384;

const CURVES = [
  { type: 'ecdsa-sha2-nistp256', curve: 'nistp256', crv: 'P-256', bytes: 32 },
  { type: 'ecdsa-sha2-nistp384', curve: 'nistp384', crv: 'P-384', bytes: 48 },
  { type: 'ecdsa-sha2-nistp521', curve: 'nistp521', crv: 'P-521', bytes: 66 },
] as const;

/** Why a text is no public key that may be uploaded. */
export type SshKeyProblem = 'encoding' | 'key';

export interface SshKey {
  /** `ssh-rsa` */
  readonly type: string;
  /** The key as SSH carries it (RFC 4253, section 6.6), in its one canonical form. */
  readonly blob: Buffer;
  /** The encoding in which it was given. */
  readonly encoding: 'SSH' | 'PEM';
}

/** Reads `ssh-rsa AAAA... comment` or PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`); a problem where it is neither, or too weak. */
export function readSshKey(body: string): SshKey | SshKeyProblem {
  const text = body.trim();
  const isPem = text.startsWith('-----BEGIN');
  const key = isPem ? keyOfPem(text) : keyOfLine(text);
  if (typeof key === 'string') return key;
  const encoded = encodeKey(key);
  return encoded === undefined ? 'key' : { ...encoded, encoding: isPem ? 'PEM' : 'SSH' };
}

function keyOfPem(text: string): KeyObject | SshKeyProblem {
  // A private key would be read too, and its public half taken: nobody means to send one.
  if (!/^-----BEGIN (RSA )?PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END (RSA )?PUBLIC KEY-----$/.test(text)) {
    return 'encoding';
  }
  try {
    return createPublicKey(text);
  } catch {
    return 'key';
  }
}

function keyOfLine(text: string): KeyObject | SshKeyProblem {
  const [, type, base64] = /^(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t][^\r\n]*)?$/.exec(text) ?? [];
  if (type === undefined || base64 === undefined) return 'encoding';
  const blob = Buffer.from(base64, 'base64');
  const fields = readFields(blob);
  if (fields === undefined || fields[0]?.toString('latin1') !== type) return 'key';
  const jwk = jwkOf(type, fields);
  if (jwk === undefined) return 'key';
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    // One key has one form: a longer spelling of the same numbers would pass for another key.
    return encodeKey(key)?.blob.equals(blob) === true ? key : 'key';
  } catch {
    return 'key';
  }
}

/** The length-prefixed fields of a key blob; undefined when they do not fill it exactly. */
function readFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function jwkOf(type: string, fields: readonly Buffer[]): Record<string, string> | undefined {
  const [, a, b] = fields;
  const unsigned = (bytes: Buffer) => bytes.subarray(bytes[0] === 0 ? 1 : 0).toString('base64url');
  if (type === 'ssh-rsa') {
    if (fields.length !== 3 || a!.length === 0 || b!.length === 0) return undefined;
    return { kty: 'RSA', e: unsigned(a!), n: unsigned(b!) };
  }
  if (type === 'ssh-ed25519') {
    return fields.length === 2 && a!.length === 32
      ? { kty: 'OKP', crv: 'Ed25519', x: a!.toString('base64url') }
      : undefined;
  }
  const curve = CURVES.find((one) => one.type === type);
  if (curve === undefined || fields.length !== 3 || a!.toString('latin1') !== curve.curve) return undefined;
  if (b!.length !== 1 + 2 * curve.bytes || b![0] !== 4) return undefined;
  const half = (from: number) => b!.subarray(from, from + curve.bytes).toString('base64url');
  return { kty: 'EC', crv: curve.crv, x: half(1), y: half(1 + curve.bytes) };
}

/** A key as SSH carries it; undefined for kinds and sizes that are not taken. */
function encodeKey(key: KeyObject): Omit<SshKey, 'encoding'> | undefined {
  if (key.asymmetricKeyType === 'rsa') {
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return undefined;
    const { e, n } = key.export({ format: 'jwk' }) as { e: string; n: string };
    const exponent = Buffer.from(e, 'base64url');
    // An even exponent is no RSA key, and 1 would leave every message as it is.
    if ((exponent.at(-1)! & 1) === 0 || (exponent.length === 1 && exponent[0] === 1)) return undefined;
    return sshBlob('ssh-rsa', mpint(exponent), mpint(Buffer.from(n, 'base64url')));
  }
  const jwk =
    key.asymmetricKeyType === 'ed25519' || key.asymmetricKeyType === 'ec' ? key.export({ format: 'jwk' }) : {};
  if (jwk.crv === 'Ed25519') return sshBlob('ssh-ed25519', Buffer.from(jwk.x!, 'base64url'));
  const curve = CURVES.find(({ crv }) => crv === jwk.crv);
  if (curve === undefined) return undefined;
  const point = Buffer.concat([Buffer.of(4), Buffer.from(jwk.x!, 'base64url'), Buffer.from(jwk.y!, 'base64url')]);
  return sshBlob(curve.type, Buffer.from(curve.curve), point);
}

function mpint(bytes: Buffer): Buffer {
  return (bytes[0]! & 0x80) === 0 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
}

function sshBlob(type: string, ...fields: Buffer[]): Omit<SshKey, 'encoding'> {
  const parts = [Buffer.from(type), ...fields].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return { type, blob: Buffer.concat(parts) };
}

/** `ssh-rsa AAAA...` */
export function toSshLine({ type, blob }: Pick<SshKey, 'type' | 'blob'>): string {
  return `${type} ${blob.toString('base64')}`;
}

/** The key as PEM (`PUBLIC KEY`). */
export function toPem({ type, blob }: Pick<SshKey, 'type' | 'blob'>): string {
  const key = createPublicKey({ key: jwkOf(type, readFields(blob)!)!, format: 'jwk' });
  return key.export({ format: 'pem', type: 'spki' }).toString();
}

/** MD5 of the key, as `ssh-keygen -E md5 -lf` shows it: `ab:cd:...`. */
export function fingerprintOf({ blob }: Pick<SshKey, 'blob'>): string {
  return createHash('md5').update(blob).digest('hex').match(/../g)!.join(':');
}
