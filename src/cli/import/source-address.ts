import { resolve } from 'node:path';
import { UsageError } from '../usage-error.ts';

/** Where a repository comes from, apart from the secrets that its address held. */
export interface SourceAddress {
  /** What git is told, and what may be shown: without user name and password where it is HTTP. */
  readonly url: string;
  /** Scheme and host that the credentials are for, `https://example.com`. */
  readonly origin?: string;
  /** Alone where the address names a user only: the password is then asked for as git always does. */
  readonly userName?: string;
  readonly password?: string;
}

const SCHEMES = new Set(['http:', 'https:', 'ssh:', 'file:']);

/**
 * Reads an address as git takes it: `https://`, `http://`, `ssh://`, `file://`, `user@host:path` or a folder.
 * @throws UsageError for what git would take for an option or hand to a program of that name (`ext::`)
 */
export function readSourceAddress(text: string): SourceAddress {
  if (text === '' || text.startsWith('-') || /[\u0000-\u001f\u007f]/.test(text)) {
    throw new UsageError('That is no address of a git repository.');
  }
  if (/^[A-Za-z0-9+.-]*::/.test(text)) throw unknownScheme(text.slice(0, text.indexOf('::') + 2));
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) return readUrl(text);
  const remote = /^([^/:]+):(.*)$/s.exec(text);
  if (remote === null) return { url: resolve(text) };
  if (remote[1]!.startsWith('-') || /@-/.test(remote[1]!))
    throw new UsageError('A host name does not begin with a dash.');
  return { url: text };
}

function readUrl(text: string): SourceAddress {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError('That is no address of a git repository.');
  }
  if (!SCHEMES.has(url.protocol)) throw unknownScheme(`${url.protocol}//`);
  if (url.hostname.startsWith('-')) throw new UsageError('A host name does not begin with a dash.');
  if (url.protocol === 'file:') return { url: text };
  if (url.protocol === 'ssh:') {
    if (url.password !== '') throw new UsageError('SSH takes no password from an address: use a key.');
    if (decodeURIComponent(url.username).startsWith('-'))
      throw new UsageError('A user name does not begin with a dash.');
    return { url: text };
  }
  const [userName, password] = [decode(url.username), decode(url.password)];
  url.username = '';
  url.password = '';
  return {
    url: url.href,
    origin: url.origin,
    ...(userName === '' ? {} : { userName }),
    ...(password === '' ? {} : { password }),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unknownScheme(scheme: string): UsageError {
  return new UsageError(`${scheme} is not supported: use https, http, ssh, or the path of a folder.`);
}

/** The name that a repository gets where none is given: the last part of its address. @throws UsageError */
export function nameOf({ url }: SourceAddress): string {
  const path = url
    .replace(/[?#].*$/s, '')
    .replace(/\/+$/, '')
    .replace(/\/?\.git$/, '');
  const name = decode(path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf(':')) + 1)).replace(/[^\w.-]+/g, '-');
  if (/^[\w.-]{1,100}$/.test(name) && !name.endsWith('.git')) return name;
  throw new UsageError('The address gives no name for the repository: name it with --repository.');
}
