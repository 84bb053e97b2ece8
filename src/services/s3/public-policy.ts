/**
 * Whether a bucket policy is public: whether it lets in anybody at all, not only named principals or callers from fixed
 * places. Source: S3 User Guide, "The meaning of public".
 */

type Values = string | number | boolean | readonly (string | number | boolean)[];

interface Statement {
  Effect: string;
  Principal?: '*' | Readonly<Record<string, string | readonly string[]>>;
  NotPrincipal?: unknown;
  Condition?: Readonly<Record<string, Readonly<Record<string, Values>>>>;
}

/** Condition keys that, held to fixed values, make a statement for everybody one for somebody. Lower case. */
const FIXING_KEYS = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:sourcearn',
  'aws:sourceaccount',
  'aws:sourceip',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
]);

const FIXING_OPERATORS = /^(ForAnyValue:)?(String(Equals|EqualsIgnoreCase|Like)|Arn(Equals|Like)|IpAddress)$/i;

/** @param text of a policy that has been parsed and found good */
export function isPublicPolicy(text: string): boolean {
  const { Statement: statements } = JSON.parse(text) as { Statement: Statement | Statement[] };
  return [statements].flat().some(isPublicStatement);
}

function isPublicStatement(statement: Statement): boolean {
  if (statement.Effect !== 'Allow') return false;
  if (statement.NotPrincipal === undefined && !namesEverybody(statement.Principal)) return false;
  return !Object.entries(statement.Condition ?? {}).some(
    ([operator, keys]) =>
      FIXING_OPERATORS.test(operator) &&
      Object.entries(keys).some(
        ([key, values]) =>
          FIXING_KEYS.has(key.toLowerCase()) && [values].flat().every((value) => isFixed(key, String(value))),
      ),
  );
}

function namesEverybody(principal: Statement['Principal']): boolean {
  if (principal === undefined || principal === '*') return principal === '*';
  return Object.values(principal)
    .flat()
    .some((value) => value === '*');
}

/** A value without wildcards or variables; an address range that is not most of the Internet. */
function isFixed(key: string, value: string): boolean {
  if (key.toLowerCase() === 'aws:sourceip') {
    const bits = Number(/\/(\d+)$/.exec(value)?.[1] ?? 128);
    return bits >= (value.includes(':') ? 32 : 8);
  }
  // An ARN may leave its tail open, not its account.
  if (/^aws:(sourcearn|principalarn)$/i.test(key)) return !/[*?$]/.test(value.split(':').slice(0, 5).join(':'));
  return !/[*?]|\$\{/.test(value);
}
