import { parseArn } from '../../kernel/arn.ts';

/** How ARNs of one resource type look behind the account: `name` takes the resource's own name out of the rest. */
interface TypeForm {
  readonly type: string;
  readonly service: string;
  readonly rest: RegExp;
  /** The same as an SQL pattern over the whole ARN; it may take in more, which the caller sorts out. */
  readonly like: string;
}

const FORMS: readonly TypeForm[] = [
  ...['User', 'Role', 'Group', 'Policy', 'InstanceProfile'].map((kind) =>
    iamForm(`AWS::IAM::${kind}`, kind === 'InstanceProfile' ? 'instance-profile' : kind.toLowerCase()),
  ),
  iamForm('AWS::IAM::MFADevice', 'mfa'),
  iamForm('AWS::IAM::ServerCertificate', 'server-certificate'),
  iamForm('AWS::IAM::SAMLProvider', 'saml-provider'),
  iamForm('AWS::IAM::OIDCProvider', 'oidc-provider'),
  { type: 'AWS::S3::Object', service: 's3', rest: /^[^/]+\/(.+)$/s, like: 'arn:%:s3:::%/%' },
  { type: 'AWS::S3::Bucket', service: 's3', rest: /^([^/]+)$/, like: 'arn:%:s3:::%' },
  form('AWS::KMS::Key', 'kms', 'key/'),
  form('AWS::KMS::Alias', 'kms', 'alias/'),
  { type: 'AWS::CodeCommit::Repository', service: 'codecommit', rest: /^(.+)$/, like: 'arn:%:codecommit:%' },
  form('AWS::CodeBuild::Project', 'codebuild', 'project/'),
  { type: 'AWS::CodePipeline::Pipeline', service: 'codepipeline', rest: /^([^/:]+)/, like: 'arn:%:codepipeline:%' },
  form('AWS::Events::Rule', 'events', 'rule/'),
  form('AWS::Logs::LogGroup', 'logs', 'log-group:'),
  form('AWS::CloudTrail::Trail', 'cloudtrail', 'trail/'),
];

function form(type: string, service: string, prefix: string): TypeForm {
  return { type, service, rest: new RegExp(`^${prefix}([^:]+)`), like: `arn:%:${service}:%:${prefix}%` };
}

/** Names of IAM resources come behind their path. */
function iamForm(type: string, kind: string): TypeForm {
  return { type, service: 'iam', rest: new RegExp(`^${kind}/(?:.*/)?([^/]+)$`), like: `arn:%:iam::%:${kind}/%` };
}

/** A resource as CloudTrail names it: type after CloudFormation's names, and the resource's own name. */
export interface NamedResource {
  readonly type: string | undefined;
  readonly name: string;
}

/** Type and name behind an ARN; an ARN of no known type is its own name. */
export function namedResource(arn: string): NamedResource {
  const parsed = parseArn(arn);
  for (const { type, service, rest } of parsed === undefined ? [] : FORMS) {
    if (parsed!.service !== service) continue;
    const match = rest.exec(parsed!.resource);
    if (match !== null) return { type, name: match[1]! };
  }
  return { type: undefined, name: arn };
}

/** The SQL pattern of a type's ARNs; undefined when no such type is known here. */
export function likeOfType(type: string): string | undefined {
  return FORMS.find((one) => one.type === type)?.like;
}
