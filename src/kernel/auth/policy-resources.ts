const IAM_PATHS = [
  'user/',
  'federated-user/',
  'role/',
  'group/',
  'instance-profile/',
  'mfa/',
  'server-certificate/',
  'policy/',
  'sms-mfa/',
  'saml-provider/',
  'oidc-provider/',
  'report/',
  'access-report/',
];

/** An ARN that breaks off in the middle: fewer than six parts with an empty one, or none for the service. */
export function failsLegacyParsing(resource: string): boolean {
  const parts = resource.split(':');
  if (parts.length < 3) return false;
  return parts.length < 6 ? parts.slice(2).includes('') : parts[0] === 'arn' && parts[2] === '';
}

/**
 * What IAM says of a value of `Resource` or `NotResource` in a policy of an identity; undefined when it is one.
 * The wording is IAM's.
 */
export function resourceProblem(resource: string): string | undefined {
  if (resource === '*') return undefined;
  if (!resource.includes(':')) return `Resource ${resource} must be in ARN format or "*".`;
  const [prefix, partition = '', ...rest] = resource.split(':');
  if (!/^(?:aws(?:-[a-z-]+)?|[a-z-]*[*?][a-z*?-]*)$/.test(partition)) {
    const padded = [partition, ...rest, ...Array(Math.max(0, 4 - rest.length)).fill('*')];
    return `Partition "${partition}" is not valid for resource "arn:${padded.join(':')}".`;
  }
  if (prefix !== 'arn') return `Resource ${resource} must be in ARN format or "*".`;
  const [vendor = '', region = '', , ...path] = rest;
  if (vendor === '' || /[*?]/.test(vendor)) {
    return 'Resource vendor must be fully qualified and cannot contain regexes.';
  }
  const name = path.join(':');
  if (vendor === 'iam') return iamProblem(resource, region, name);
  const isS3Region = vendor === 's3' && region !== '' && region !== '*' && !name.startsWith('accesspoint');
  return isS3Region ? `Resource ${resource} can not contain region information.` : undefined;
}

function iamProblem(resource: string, region: string, name: string): string | undefined {
  if (region !== '' && region !== '*') return `IAM resource ${resource} cannot contain region information.`;
  if (name === '' || IAM_PATHS.some((path) => name.startsWith(path)) || /^[^/]*[*?$]/.test(name)) return undefined;
  return `IAM resource path must either be "*" or start with ${IAM_PATHS.join(', ')}.`;
}
