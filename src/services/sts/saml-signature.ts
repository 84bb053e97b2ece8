import { type Document, type Element, XMLSerializer } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';
import { childElements, descendants, parseStrictXml, XmlError } from '../../kernel/strict-xml.ts';

export const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
export const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const DSIG = 'http://www.w3.org/2000/09/xmldsig#';

const ALGORITHMS = {
  signature: [
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
    'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1',
  ],
  digest: ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512'],
  transform: [
    'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
    'http://www.w3.org/2001/10/xml-exc-c14n#',
    'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
  ],
};

/** Assertions are opened by no key here. */
export class EncryptedAssertionError extends Error {}

/** A response of which only the signed part is left. */
export interface SignedResponse {
  /** The assertion, parsed from the very bytes that are signed. */
  readonly assertion: Element;
  /** `urn:oasis:names:tc:SAML:2.0:status:Success`, as the response says it. */
  readonly status: string;
}

/**
 * Takes a SAML response apart and answers its one assertion, provided that one of the certificates signed it or the whole
 * response. What is read later is parsed from the signed bytes, so content that was put around them is never looked at;
 * a response in which anything stands where it could be taken for something else is refused.
 * @throws XmlError, EncryptedAssertionError
 */
export function openResponse(text: string, certificates: readonly string[]): SignedResponse {
  const document = parseStrictXml(text);
  const response = document.documentElement;
  if (response?.namespaceURI !== PROTOCOL || response.localName !== 'Response') throw new XmlError('it is no Response');
  requireUniqueIds(document);
  const assertion = onlyAssertion(document, response);
  const signatures = [assertion, response].flatMap((signed) =>
    childElements(signed, DSIG, 'Signature').map((signature) => ({ signed, signature })),
  );
  const isElsewhere = descendants(document, DSIG, 'Signature').length !== signatures.length;
  if (
    isElsewhere ||
    signatures.length === 0 ||
    new Set(signatures.map(({ signed }) => signed)).size < signatures.length
  ) {
    throw new XmlError('it must be signed once, on the response or the assertion');
  }
  const contents = signatures.map(({ signed, signature }) => verify(text, signed, signature, certificates));
  const root = parseStrictXml(contents[0]!).documentElement!;
  const status = childElements(response, PROTOCOL, 'Status').flatMap((one) =>
    childElements(one, PROTOCOL, 'StatusCode'),
  );
  return {
    assertion: root.localName === 'Response' ? onlyAssertion(root.ownerDocument!, root) : root,
    status: status[0]?.getAttribute('Value') ?? '',
  };
}

function onlyAssertion(document: Document, response: Element): Element {
  if (descendants(document, ASSERTION, 'EncryptedAssertion').length > 0) throw new EncryptedAssertionError();
  const everywhere = descendants(document, ASSERTION, 'Assertion');
  const [assertion] = childElements(response, ASSERTION, 'Assertion');
  if (assertion === undefined || everywhere.length !== 1) throw new XmlError('it must hold one assertion');
  return assertion;
}

/** References go by id: with two elements of one id they could mean another than the one that is read. */
function requireUniqueIds(document: Document): void {
  const seen = new Set<string>();
  for (const element of document.getElementsByTagName('*')) {
    const ids = ['ID', 'Id', 'id'].map((name) => element.getAttribute(name)).filter((id) => id !== null && id !== '');
    for (const id of ids) {
      if (seen.has(id!)) throw new XmlError('two elements have the same id');
      seen.add(id!);
    }
  }
}

/** Verifies that the signature is over that element, with an allowed method and a known key. @returns the signed bytes */
function verify(text: string, signed: Element, signature: Element, certificates: readonly string[]): string {
  const serialized = new XMLSerializer().serializeToString(signature);
  let reason = 'no certificate of the provider verifies it';
  for (const publicCert of certificates) {
    const checker = new SignedXml({ publicCert, idMode: undefined, getCertFromKeyInfo: () => null } as object);
    restrict(checker.SignatureAlgorithms, ALGORITHMS.signature);
    restrict(checker.HashAlgorithms, ALGORITHMS.digest);
    restrict(checker.CanonicalizationAlgorithms, ALGORITHMS.transform);
    try {
      checker.loadSignature(serialized);
      requireReference(checker, signed);
      if (!checker.checkSignature(text)) continue;
      // Asked again: these are the references of the bytes that were verified.
      requireReference(checker, signed);
      const [content] = checker.getSignedReferences();
      if (content !== undefined) return content;
    } catch (error) {
      if (error instanceof XmlError) throw error;
      // The library's words hold what was sent; only that a method is not known helps whoever sends it.
      if (/not supported/.test((error as Error).message)) reason = 'a method of the signature is not supported';
    }
  }
  throw new XmlError(reason);
}

function requireReference(checker: SignedXml, signed: Element): void {
  const references = checker.getReferences();
  const id = signed.getAttribute('ID') ?? '';
  if (references.length === 1 && id !== '' && references[0]!.uri === `#${id}`) return;
  throw new XmlError('the signature must refer to the element that it stands in, alone');
}

function restrict(known: Record<string, unknown>, allowed: readonly string[]): void {
  for (const name of Object.keys(known)) if (!allowed.includes(name)) delete known[name];
}
