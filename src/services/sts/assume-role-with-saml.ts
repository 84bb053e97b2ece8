import { createHash } from 'node:crypto';
import * as sdk from '@aws-sdk/client-sts';
import { parseArn } from '../../kernel/arn.ts';
import type { SamlCaller } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';
import { type Fault, fault } from '../../kernel/fault.ts';
import type { Operation, OperationName, ValidInput } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { openFederatedSession, type Proof, proofKeys, proofOf, withProof } from './federated-session.ts';
import { roleResource } from './role-sessions.ts';
import { type SamlAssertion, verifyAssertion } from './saml-assertion.ts';
import { attributeKeys } from './saml-attributes.ts';
import { spendAssertion } from './spent-assertions.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const ATTRIBUTE = 'https://aws.amazon.com/SAML/Attributes/';
const MIN_SECONDS = 900;
const MAX_SECONDS = 43_200;

const invalid = (message: string): Fault => fault(sdk.InvalidIdentityTokenException, message);

interface Verified {
  readonly assertion: SamlAssertion;
  readonly nameQualifier: string;
  readonly providerArn: string;
}

const verified = new WeakMap<SamlCaller, Verified>();

/** Temporary credentials of a role for the bearer of a SAML assertion. */
export const AssumeRoleWithSAML: Op<'AssumeRoleWithSAML'> = {
  identify,
  resource: async ({ RoleArn: roleArn }, ctx) => roleResource(roleArn, await ctx.identity.findRole(roleArn), ctx),
  conditions: (_input, ctx) => proofKeys(proofOf(ctx)),
  content: ['SAMLAssertion'],
  async handle(input, ctx) {
    const { assertion, nameQualifier, providerArn } = verified.get(ctx.caller as SamlCaller)!;
    const isNew = await spendAssertion(ctx, [providerArn, assertion.id, input.RoleArn], assertion.expiresAt);
    if (!isNew) throw invalid('The assertion was used for this role already.');
    const session = await openFederatedSession(ctx, input.RoleArn, input, proofOf(ctx));
    return {
      Credentials: session.credentials,
      AssumedRoleUser: { AssumedRoleId: session.caller.principalId, Arn: session.caller.arn },
      PackedPolicySize: session.packed,
      Subject: assertion.subject,
      SubjectType: assertion.subjectType,
      Issuer: assertion.issuer,
      Audience: assertion.recipient,
      NameQualifier: nameQualifier,
      SourceIdentity: session.caller.sourceIdentity,
    };
  },
};

type AssertionInput = ValidInput<sdk.AssumeRoleWithSAMLRequest>;

/** Who the assertion says it is. Provider and role stand in one account, and the assertion names the two together. */
async function identify(input: AssertionInput, ctx: Context): Promise<SamlCaller> {
  const { RoleArn: roleArn, PrincipalArn: providerArn, SAMLAssertion: encoded } = input;
  const role = parseArn(roleArn);
  if (role?.service !== 'iam' || !role.resource.startsWith('role/')) {
    throw commonFault('ValidationError', 'Request ARN is invalid');
  }
  const provider = await ctx.identity.findSamlProvider(providerArn);
  if (provider === undefined) throw invalid("Specified provider doesn't exist");
  const assertion = verifyAssertion(encoded, provider, ctx);
  const pairs = (assertion.attributes.get(`${ATTRIBUTE}Role`) ?? []).map((pair) =>
    pair.split(',').map((arn) => arn.trim()),
  );
  const isNamed = pairs.some((pair) => pair.length === 2 && pair.includes(roleArn) && pair.includes(providerArn));
  if (!isNamed || provider.account !== role.account) {
    throw commonFault('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithSAML');
  }
  // What tells users of one provider from those of another, as AWS makes it.
  const nameQualifier = createHash('sha1')
    .update(`${assertion.issuer}${provider.account}/${provider.name}`)
    .digest('base64');
  // These stay for the calls of the session.
  const lasting = {
    'saml:namequalifier': nameQualifier,
    'saml:sub': assertion.subject,
    'saml:sub_type': assertion.subjectType,
  };
  const keys = {
    ...lasting,
    'saml:aud': assertion.recipient,
    'saml:iss': assertion.issuer,
    'saml:doc': `${provider.account}/${provider.name}`,
    ...attributeKeys(assertion.attributes),
  };
  const caller: SamlCaller = {
    type: 'SAMLUser',
    account: provider.account,
    provider: providerArn,
    principalId: `${nameQualifier}:${assertion.subject}`,
    userName: assertion.subject,
    identityProvider: nameQualifier,
    keys,
  };
  verified.set(caller, { assertion, nameQualifier, providerArn });
  return withProof(caller, {
    ...sessionAttributes(assertion, ctx),
    federation: { provider: providerArn, keys: lasting },
  });
}

/** @throws InvalidIdentityToken */
function sessionAttributes(
  { attributes, sessionEndsAt }: SamlAssertion,
  ctx: Context,
): Omit<Proof, 'federation'> & { maxSeconds: number } {
  const values = (name: string) => attributes.get(`${ATTRIBUTE}${name}`) ?? [];
  const [sessionName, ...others] = values('RoleSessionName');
  if (sessionName === undefined || others.length > 0) throw invalid('RoleSessionName is required in AuthnResponse');
  if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) {
    throw invalid('RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}');
  }
  const [sourceIdentity] = values('SourceIdentity');
  if (sourceIdentity !== undefined && !/^[\w+=,.@-]{2,64}$/.test(sourceIdentity)) {
    throw invalid('SourceIdentity in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}');
  }
  const tagPrefix = `${ATTRIBUTE}PrincipalTag:`;
  const tags = [...attributes]
    .filter(([name]) => name.startsWith(tagPrefix))
    .map(([name, [value, ...more]]) => {
      if (value === undefined || more.length > 0) throw invalid('A session tag must have one value.');
      return { Key: name.slice(tagPrefix.length), Value: value };
    });
  return {
    sessionName,
    sourceIdentity,
    tags,
    transitiveTagKeys: values('TransitiveTagKeys'),
    maxSeconds: longest(values('SessionDuration')[0], sessionEndsAt, ctx.now().getTime()),
  };
}

/** The shorter of what the assertion asks for and the rest of the provider's own session. */
function longest(duration: string | undefined, sessionEndsAt: number | undefined, now: number): number {
  const seconds = duration === undefined ? MAX_SECONDS : Number(duration);
  if (!Number.isInteger(seconds) || seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
    throw invalid(`SessionDuration in AuthnResponse must be between ${MIN_SECONDS} and ${MAX_SECONDS}`);
  }
  const rest = sessionEndsAt === undefined ? seconds : Math.floor((sessionEndsAt - now) / 1000);
  if (rest <= 0) throw fault(sdk.ExpiredTokenException, 'The session at the identity provider has ended.');
  return Math.min(seconds, rest);
}
