import { X509Certificate } from 'node:crypto';
import { childElements, descendants, parseStrictXml, XmlError } from '../../kernel/strict-xml.ts';

const METADATA = 'urn:oasis:names:tc:SAML:2.0:metadata';
const SIGNATURE = 'http://www.w3.org/2000/09/xmldsig#';
const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';

export interface SamlMetadata {
  readonly entityId: string;
  /** PEM. */
  readonly certificates: readonly string[];
}

const MAX_READ = 200;
const read = new Map<string, SamlMetadata>();

/** The same for documents that were stored: each is read once, since everybody may ask STS about them. */
export function storedSamlMetadata(text: string): SamlMetadata {
  const known = read.get(text);
  if (known !== undefined) return known;
  const metadata = readSamlMetadata(text);
  if (read.size >= MAX_READ) read.delete(read.keys().next().value!);
  read.set(text, metadata);
  return metadata;
}

/**
 * Reads the metadata document of a SAML identity provider: who it is, and the certificates that it signs with.
 * @throws XmlError for anything that is not the metadata of one identity provider
 */
export function readSamlMetadata(text: string): SamlMetadata {
  const root = parseStrictXml(text).documentElement;
  if (root?.namespaceURI !== METADATA || root.localName !== 'EntityDescriptor') {
    throw new XmlError('the document is no EntityDescriptor');
  }
  const entityId = root.getAttribute('entityID') ?? '';
  if (entityId === '') throw new XmlError('the EntityDescriptor has no entityID');
  const descriptors = childElements(root, METADATA, 'IDPSSODescriptor').filter((one) =>
    (one.getAttribute('protocolSupportEnumeration') ?? '').split(/\s+/).includes(PROTOCOL),
  );
  const certificates = descriptors
    .flatMap((one) => childElements(one, METADATA, 'KeyDescriptor'))
    .filter((key) => key.getAttribute('use') !== 'encryption')
    .flatMap((key) => descendants(key, SIGNATURE, 'X509Certificate'))
    .map(({ textContent }) => pem(textContent ?? ''));
  if (certificates.length === 0) throw new XmlError('the document names no signing certificate of an IDPSSODescriptor');
  return { entityId, certificates };
}

function pem(base64: string): string {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64')).toString();
  } catch {
    throw new XmlError('a certificate of the document cannot be read');
  }
}
