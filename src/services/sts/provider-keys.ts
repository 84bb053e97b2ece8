import * as sdk from '@aws-sdk/client-sts';
import type { JSONWebKeySet } from 'jose';
import type { IdentitySource, OpenIdProvider } from '../../kernel/auth/identity.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { ForbiddenAddressError } from '../../kernel/outbound-address.ts';
import { getJson, ProviderAnswerError, ThumbprintError } from './provider-connection.ts';

/** Keys that a provider has withdrawn count this long at most. */
const MAX_AGE_MS = 10 * 60_000;
/** Tokens with unknown key ids, which anybody can make, have the keys fetched no more often than this. */
const MIN_REFETCH_MS = 10_000;
/** A provider that cannot be reached is left alone for a moment. */
const FAILED_FOR_MS = 5_000;
const MAX_ENTRIES = 500;
const MAX_FETCHES = 16;
/** AWS takes as many of each kind. */
const MAX_KEYS = 200;

interface Entry {
  readonly loadedAtMs: number;
  readonly keys: JSONWebKeySet | undefined;
  readonly error: Error | undefined;
}

/** The public keys of OIDC providers, fetched from where their discovery documents say, kept for a while. */
class ProviderKeys {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<Entry>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The keys; fetched anew where they are old, or where none has that id.
   * @throws IDPCommunicationError, InvalidIdentityToken
   */
  async get(provider: OpenIdProvider, keyId: string | undefined): Promise<JSONWebKeySet> {
    // Thumbprints are part of what the keys rest on.
    const id = `${provider.arn} ${provider.url} ${provider.thumbprints.join()}`;
    let entry = this.#entries.get(id);
    if (entry === undefined || this.#isOld(entry, keyId)) entry = await this.#load(id, provider);
    if (entry.keys === undefined) throw entry.error;
    return entry.keys;
  }

  #isOld({ loadedAtMs, keys }: Entry, keyId: string | undefined): boolean {
    const age = this.#clock.monotonicMs() - loadedAtMs;
    if (keys === undefined) return age >= FAILED_FOR_MS;
    const isUnknown = keyId !== undefined && !keys.keys.some(({ kid }) => kid === keyId);
    return age >= (isUnknown ? MIN_REFETCH_MS : MAX_AGE_MS);
  }

  #load(id: string, provider: OpenIdProvider): Promise<Entry> {
    const known = this.#loading.get(id);
    if (known !== undefined) return known;
    if (this.#loading.size >= MAX_FETCHES) throw unreachable();
    const loading = this.#fetch(provider).then((entry) => {
      this.#loading.delete(id);
      this.#entries.delete(id);
      if (this.#entries.size >= MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!);
      this.#entries.set(id, entry);
      return entry;
    });
    this.#loading.set(id, loading);
    return loading;
  }

  async #fetch(provider: OpenIdProvider): Promise<Entry> {
    const loadedAtMs = this.#clock.monotonicMs();
    try {
      return { loadedAtMs, keys: await fetchKeys(provider), error: undefined };
    } catch (error) {
      return { loadedAtMs, keys: undefined, error: asFault(error) };
    }
  }
}

/**
 * Reads the discovery document and the key set it points to. The keys may stand on another host, as Google's do; a
 * provider out in the public does not send us inside.
 */
async function fetchKeys({ url, thumbprints }: OpenIdProvider): Promise<JSONWebKeySet> {
  const discovery = new URL(`${url.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { json, reach } = await getJson(discovery, () => true, thumbprints);
  const { issuer, jwks_uri: keysUri } = (json ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (issuer !== url) throw new ProviderAnswerError('the discovery document is of another issuer');
  if (typeof keysUri !== 'string' || !URL.canParse(keysUri)) throw new ProviderAnswerError('there is no jwks_uri');
  const keysUrl = new URL(keysUri);
  const isSameHost = keysUrl.host === discovery.host && keysUrl.protocol === discovery.protocol;
  const fetched = await getJson(
    keysUrl,
    (there) => isSameHost || there === 'public' || reach !== 'public',
    thumbprints,
  );
  const { keys } = (fetched.json ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length > MAX_KEYS || !keys.every((key) => typeof key === 'object' && key !== null)) {
    throw new ProviderAnswerError('the key set has no list of keys, or too many');
  }
  return { keys } as JSONWebKeySet;
}

const UNUSABLE =
  "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";

function unreachable(cause?: unknown): Error {
  const error = fault(
    sdk.IDPCommunicationErrorException,
    'The identity provider that was asked to verify the token could not be reached.',
  );
  return cause === undefined ? error : Object.assign(error, { cause });
}

function asFault(error: unknown): Error {
  if (error instanceof ThumbprintError) {
    return fault(
      sdk.InvalidIdentityTokenException,
      "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
    );
  }
  if (error instanceof ProviderAnswerError || error instanceof ForbiddenAddressError) {
    return Object.assign(fault(sdk.InvalidIdentityTokenException, UNUSABLE), { cause: error });
  }
  return unreachable(error);
}

const installations = new WeakMap<IdentitySource, ProviderKeys>();

/** The keys of an OIDC provider. @throws IDPCommunicationError, InvalidIdentityToken */
export function keysOf(ctx: Context, provider: OpenIdProvider, keyId: string | undefined): Promise<JSONWebKeySet> {
  let keys = installations.get(ctx.identity);
  if (keys === undefined) {
    keys = new ProviderKeys(ctx.clock);
    installations.set(ctx.identity, keys);
  }
  return keys.get(provider, keyId);
}
