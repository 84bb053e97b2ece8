import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import { invalidUri, keyTooLong } from './faults.ts';

/** What a request's host and path name: nothing, a bucket, or an object. */
export interface Address {
  bucket: string | undefined;
  key: string | undefined;
}

/** A page of a bucket's website: the address before the page's own path, and that path, decoded. */
export interface WebsiteAddress {
  bucket: string;
  /** `/_website/<bucket>` for the address by path, empty for the one by host. */
  base: string;
  path: string;
}

/** Longest key, in bytes of UTF-8. Source: S3 User Guide, "Naming Amazon S3 objects". */
export const MAX_KEY_BYTES = 1024;

const WEBSITE_PATH = '/_website/';
const REGION = '[a-z]{2}(?:-[a-z]+)+-\\d';
const WEBSITE_HOST = new RegExp(`^(.+)\\.s3-website(?:[.-]${REGION})?\\.[^.].*$`);
/** What may stand before the name under which the installation is reached: `bucket`, `bucket.s3`, `s3.us-east-1`, ... */
const LABELS = new RegExp(`^(?:(.+)\\.)?s3(?:\\.dualstack)?(?:[.-]${REGION})?$`);
const API_HOST = new RegExp(`^(?:(.+)\\.)?s3(?:\\.dualstack)?(?:[.-]${REGION})?\\.[^.].*$`);

/** The host without its port, lower case. */
function hostName(host: string): string {
  const name = /^\[([^\]]*)\]/.exec(host)?.[1] ?? host.replace(/:\d*$/, '');
  return name.replace(/\.$/, '').toLowerCase();
}

/**
 * The bucket that a host names (virtual-host style), if any. `localhost` and the public hosts take a bucket's label before
 * them; any other host does with `s3` in between, as at AWS.
 */
function bucketOfHost(host: string, publicHosts: ReadonlySet<string>): string | undefined {
  if (isIP(host) !== 0) return undefined;
  for (const known of ['localhost', ...publicHosts]) {
    if (host === known) return undefined;
    if (!host.endsWith(`.${known}`)) continue;
    const labels = host.slice(0, -known.length - 1);
    const match = LABELS.exec(labels);
    return match === null ? labels : match[1];
  }
  return API_HOST.exec(host)?.[1];
}

/**
 * Reads bucket and key out of host and path. A key is data: only its percent-encoding is taken off, nothing is normalised.
 * @param path undecoded. @throws InvalidURI, KeyTooLongError
 */
export function readAddress(host: string, path: string, publicHosts: ReadonlySet<string>): Address {
  if (!path.startsWith('/')) throw invalidUri();
  const ofHost = bucketOfHost(hostName(host), publicHosts);
  if (ofHost !== undefined) return { bucket: ofHost, key: readKey(path.slice(1)) };
  const end = path.indexOf('/', 1);
  const bucket = decode(end === -1 ? path.slice(1) : path.slice(1, end));
  if (bucket === '' && end === -1) return { bucket: undefined, key: undefined };
  return { bucket, key: end === -1 ? undefined : readKey(path.slice(end + 1)) };
}

/** The website that a request is for: `bucket.s3-website...` by host, or `/_website/<bucket>/...` by path. */
export function readWebsiteAddress(
  host: string,
  path: string,
  publicHosts: ReadonlySet<string>,
): WebsiteAddress | undefined {
  const name = hostName(host);
  const ofHost = isIP(name) === 0 ? WEBSITE_HOST.exec(name)?.[1] : undefined;
  if (ofHost !== undefined) return { bucket: ofHost, base: '', path: decode(path.slice(1)) };
  // A bucket's name cannot hold an underscore, so the address by path never meets a path-style request.
  if (!path.startsWith(WEBSITE_PATH) || bucketOfHost(name, publicHosts) !== undefined) return undefined;
  const end = path.indexOf('/', WEBSITE_PATH.length);
  const bucket = decode(path.slice(WEBSITE_PATH.length, end === -1 ? undefined : end));
  return { bucket, base: `${WEBSITE_PATH}${bucket}`, path: end === -1 ? '' : decode(path.slice(end + 1)) };
}

/** True when the website's address by path lacks the slash after the bucket, without which relative links go astray. */
export function lacksSlash(path: string): boolean {
  return path.startsWith(WEBSITE_PATH) && !path.includes('/', WEBSITE_PATH.length);
}

function readKey(text: string): string | undefined {
  if (text === '') return undefined;
  const key = decode(text);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw keyTooLong(Buffer.byteLength(key), MAX_KEY_BYTES);
  return key;
}

/** Takes percent-encoding off. Node gives the raw bytes of a path as Latin-1. @throws InvalidURI unless the result is UTF-8 */
function decode(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw invalidUri();
  const bytes = Buffer.from(
    text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  if (!isUtf8(bytes)) throw invalidUri();
  return bytes.toString('utf8');
}
