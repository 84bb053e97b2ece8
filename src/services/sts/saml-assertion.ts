import * as sdk from '@aws-sdk/client-sts';
import type { Element } from '@xmldom/xmldom';
import type { SamlProvider } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { type Fault, fault } from '../../kernel/fault.ts';
import { childElements, XmlError } from '../../kernel/strict-xml.ts';
import { ASSERTION, EncryptedAssertionError, openResponse } from './saml-signature.ts';

/** A verified assertion. */
export interface SamlAssertion {
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  /** Format of the subject, its prefix cut off: `persistent`, `transient`, or a whole URI. */
  readonly subjectType: string;
  /** Where it was to be presented. */
  readonly recipient: string;
  /** Values by the attribute's name. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
  /** Epoch milliseconds from which it counts no more. */
  readonly expiresAt: number;
  /** End of the session at the provider, where it says so; epoch milliseconds. */
  readonly sessionEndsAt: number | undefined;
}

/** An assertion must be presented this soon after it was made. */
const REDEEM_MS = 5 * 60_000;
const SKEW_MS = 60_000;
const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
/** What providers that were set up for AWS write. */
const AWS_SIGN_IN = /^https:\/\/(?:[a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml(?:\/acs\/[A-Za-z0-9-]+)?$/;
const AWS_AUDIENCE = 'urn:amazon:webservices';

const invalid = (message: string): Fault => fault(sdk.InvalidIdentityTokenException, message);

/**
 * Verifies a SAML response (base64) against a provider and reads its assertion.
 * Source: IAM User Guide, "Configure SAML assertions for the authentication response".
 * @throws InvalidIdentityToken, IDPRejectedClaim, ExpiredToken
 */
export function verifyAssertion(encoded: string, provider: SamlProvider, ctx: Context): SamlAssertion {
  if (!/^[A-Za-z0-9+/\s]+(?:={1,2}\s*)?$/.test(encoded)) throw invalid('Invalid base64 SAMLResponse');
  let assertion: Element;
  let status: string;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(encoded, 'base64'));
    ({ assertion, status } = openResponse(text, provider.certificates));
  } catch (error) {
    if (error instanceof EncryptedAssertionError) {
      throw invalid(
        'Encrypted assertions are not implemented by Slipway: let the identity provider sign and not encrypt.',
      );
    }
    if (!(error instanceof XmlError) && !(error instanceof TypeError)) throw error;
    throw Object.assign(invalid(`Response signature invalid: ${error.message}`), { cause: error });
  }
  if (status !== SUCCESS) throw fault(sdk.IDPRejectedClaimException, 'The identity provider did not authenticate.');
  return read(assertion, provider, ctx);
}

function read(assertion: Element, provider: SamlProvider, ctx: Context): SamlAssertion {
  const now = ctx.now().getTime();
  const issuer = textOf(one(assertion, 'Issuer'));
  if (issuer !== provider.entityId) throw invalid('Issuer not present in specified provider');
  const issuedAt = timeOf(assertion, 'IssueInstant');
  if (issuedAt === undefined || issuedAt > now + SKEW_MS) throw invalid('The assertion has no valid IssueInstant.');
  const subject = one(assertion, 'Subject');
  const nameId = one(subject, 'NameID');
  const confirmation = confirmationOf(subject, ctx, now);
  const conditionsEnd = checkConditions(one(assertion, 'Conditions'), ctx, now);
  const expiresAt = Math.min(confirmation.expiresAt, conditionsEnd, issuedAt + REDEEM_MS);
  if (now >= expiresAt) {
    throw fault(sdk.ExpiredTokenException, 'Token must be redeemed within 5 minutes of issuance');
  }
  const ends = childElements(assertion, ASSERTION, 'AuthnStatement')
    .map((statement) => timeOf(statement, 'SessionNotOnOrAfter'))
    .filter((time) => time !== undefined);
  return {
    id: assertion.getAttribute('ID')!,
    issuer,
    subject: textOf(nameId),
    subjectType: (nameId.getAttribute('Format') ?? 'persistent').replace(
      /^urn:oasis:names:tc:SAML:2\.0:nameid-format:(persistent|transient)$/,
      '$1',
    ),
    recipient: confirmation.recipient,
    attributes: attributesOf(assertion),
    expiresAt,
    sessionEndsAt: ends.length === 0 ? undefined : Math.min(...ends),
  };
}

/** The bearer confirmation that is meant for us. @throws InvalidIdentityToken */
function confirmationOf(subject: Element, ctx: Context, now: number): { recipient: string; expiresAt: number } {
  for (const confirmation of childElements(subject, ASSERTION, 'SubjectConfirmation')) {
    if (confirmation.getAttribute('Method') !== BEARER) continue;
    const data = one(confirmation, 'SubjectConfirmationData');
    const recipient = data.getAttribute('Recipient') ?? '';
    const expiresAt = timeOf(data, 'NotOnOrAfter');
    const notBefore = timeOf(data, 'NotBefore');
    if (!isOurs(recipient, ctx) || expiresAt === undefined) continue;
    if (notBefore !== undefined && notBefore > now + SKEW_MS) continue;
    return { recipient, expiresAt };
  }
  throw invalid('The assertion is not addressed to this endpoint: Recipient of its bearer confirmation.');
}

/** @returns when the assertion ends by its conditions @throws InvalidIdentityToken */
function checkConditions(conditions: Element, ctx: Context, now: number): number {
  const notBefore = timeOf(conditions, 'NotBefore');
  if (notBefore !== undefined && notBefore > now + SKEW_MS) throw invalid('The assertion is not valid yet.');
  const restrictions = childElements(conditions, ASSERTION, 'AudienceRestriction');
  const isForUs = restrictions.every((restriction) =>
    childElements(restriction, ASSERTION, 'Audience')
      .map(textOf)
      .some((audience) => audience === AWS_AUDIENCE || isOurs(audience, ctx)),
  );
  if (restrictions.length === 0 || !isForUs) throw invalid('The assertion is made for another audience.');
  return timeOf(conditions, 'NotOnOrAfter') ?? Number.POSITIVE_INFINITY;
}

function isOurs(endpoint: string, { publicUrl }: Context): boolean {
  return endpoint === `${publicUrl}/saml` || AWS_SIGN_IN.test(endpoint);
}

function attributesOf(assertion: Element): Map<string, string[]> {
  const attributes = new Map<string, string[]>();
  for (const statement of childElements(assertion, ASSERTION, 'AttributeStatement')) {
    for (const attribute of childElements(statement, ASSERTION, 'Attribute')) {
      const name = attribute.getAttribute('Name') ?? '';
      const values = childElements(attribute, ASSERTION, 'AttributeValue').map(textOf);
      attributes.set(name, [...(attributes.get(name) ?? []), ...values]);
    }
  }
  return attributes;
}

/** The only child of that name. @throws InvalidIdentityToken */
function one(parent: Element, name: string): Element {
  const found = childElements(parent, ASSERTION, name);
  if (found.length === 1) return found[0]!;
  throw invalid(`The assertion must hold one ${name}.`);
}

function textOf(element: Element): string {
  return (element.textContent ?? '').trim();
}

/** Epoch milliseconds of an `xs:dateTime`; undefined where there is none. @throws InvalidIdentityToken */
function timeOf(element: Element, name: string): number | undefined {
  const text = element.getAttribute(name);
  if (text === null || text === '') return undefined;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const time = isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw invalid(`The assertion's ${name} is no time.`);
  return time;
}
