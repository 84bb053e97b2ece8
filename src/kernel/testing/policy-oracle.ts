/**
 * What IAM decides, once more: written from the IAM User Guide alone, in the plainest way, over documents as they are
 * written. The evaluator of `auth/` is held against it. It is slow, and takes patterns apart with regular expressions.
 */

export interface Statement {
  Effect: 'Allow' | 'Deny';
  Principal?: '*' | { AWS?: string[]; Service?: string[] };
  NotPrincipal?: { AWS: string[] };
  Action?: string[];
  NotAction?: string[];
  Resource?: string[];
  NotResource?: string[];
  Condition?: Record<string, Record<string, string[]>>;
}

export interface Document {
  Version: '2008-10-17' | '2012-10-17';
  Statement: Statement[];
}

export interface Question {
  principal: {
    type: 'Root' | 'IAMUser' | 'AssumedRole' | 'AWSService' | 'Anonymous';
    account: string;
    arn: string;
    roleArn?: string;
    service?: string;
  };
  action: string;
  resource: string;
  resourceAccount: string;
  /** Names in lower case. */
  keys: Record<string, string[]>;
  identity: Document[];
  boundary?: Document | undefined;
  session?: Document[] | undefined;
  resourcePolicy?: Document | undefined;
  /** Trust and key policies. */
  decides: boolean;
}

type Keys = Question['keys'];

/** Whether the request is allowed, and if not, whether a Deny did it. */
export function oracle(question: Question): 'allow' | 'explicitDeny' | 'implicitDeny' {
  const { principal, identity, boundary, session, resourcePolicy } = question;
  const everything = [...identity, ...(session ?? []), boundary, resourcePolicy].filter((one) => one !== undefined);
  if (everything.some((one) => statements(one, question, 'Deny').length > 0)) return 'explicitDeny';
  const allowed = (documents: Document[]) => documents.some((one) => statements(one, question, 'Allow').length > 0);
  const own = principal.type === 'Root' || allowed(identity);
  const limits = (boundary === undefined || allowed([boundary])) && (session === undefined || allowed(session));
  const named =
    resourcePolicy === undefined ? 'nobody' : namedBy(statements(resourcePolicy, question, 'Allow'), question);
  return isAllowed(question, own, limits, named) ? 'allow' : 'implicitDeny';
}

type Named = 'himself' | 'his role' | 'everyone' | 'his account' | 'nobody';

function isAllowed(
  { principal, resourceAccount, decides }: Question,
  own: boolean,
  limits: boolean,
  named: Named,
): boolean {
  if (principal.type === 'AWSService' || principal.type === 'Anonymous') return named !== 'nobody';
  if (principal.account !== resourceAccount) return own && limits && named !== 'nobody';
  if (named === 'himself') return true;
  if (principal.type === 'IAMUser' && named === 'everyone') return true;
  if (principal.type === 'Root' && named === 'everyone') return true;
  if ((named === 'his role' || named === 'everyone') && limits) return true;
  if (decides && named === 'nobody') return false;
  return own && limits;
}

/** The closest way in which Allow statements of a resource's policy name the caller. */
function namedBy(allows: Statement[], question: Question): Named {
  const ways = allows.map((statement) => way(statement, question));
  const order: Named[] = ['himself', 'his role', 'everyone', 'his account'];
  return order.find((one) => ways.includes(one)) ?? 'nobody';
}

function way({ Principal, NotPrincipal }: Statement, { principal }: Question): Named {
  if (NotPrincipal !== undefined) return 'everyone';
  if (Principal === '*') return 'everyone';
  if (principal.type === 'AWSService') return 'himself';
  const values = Principal?.AWS ?? [];
  const isOwnAccount = (value: string) =>
    value === principal.account || value === `arn:aws:iam::${principal.account}:root`;
  if (principal.type === 'Root' && values.some(isOwnAccount)) return 'himself';
  if (principal.type !== 'Root' && values.includes(principal.arn)) return 'himself';
  if (principal.roleArn !== undefined && values.includes(principal.roleArn)) return 'his role';
  if (values.includes('*')) return 'everyone';
  return 'his account';
}

function statements(document: Document, question: Question, effect: string): Statement[] {
  return document.Statement.filter(
    (statement) => statement.Effect === effect && applies(statement, document, question),
  );
}

function applies(statement: Statement, { Version }: Document, question: Question): boolean {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement;
  const { keys } = question;
  const variables = Version === '2012-10-17' ? keys : undefined;
  const action = question.action.toLowerCase();
  const hasAction = (list: string[]) => list.some((one) => wildcard(one.toLowerCase(), undefined)!.test(action));
  if (Action !== undefined && !hasAction(Action)) return false;
  if (NotAction !== undefined && hasAction(NotAction)) return false;
  const matches = (Resource ?? NotResource ?? []).map((one) => arnMatches(one, question.resource, variables));
  if (Resource !== undefined && !matches.includes(true)) return false;
  if (NotResource !== undefined) {
    if (matches.includes(true)) return false;
    // A pattern that says nothing for want of a variable leaves nothing out; it must not open everything.
    if (statement.Effect === 'Allow' && matches.includes(undefined)) return false;
  }
  if (!isFor(statement, question)) return false;
  return Object.entries(Condition).every(([operator, block]) =>
    Object.entries(block).every(([key, values]) => holds(operator, keys[key.toLowerCase()], values, variables)),
  );
}

function isFor({ Principal, NotPrincipal, Effect }: Statement, { principal }: Question): boolean {
  const account = [principal.account, `arn:aws:iam::${principal.account}:root`];
  if (Principal === '*') return true;
  if (Principal !== undefined) {
    if (principal.type === 'AWSService') return Principal.Service?.includes(principal.service!) === true;
    const values = Principal.AWS ?? [];
    if (values.includes('*')) return true;
    if (principal.type === 'Anonymous') return false;
    return values.some((one) => account.includes(one) || one === principal.arn || one === principal.roleArn);
  }
  if (NotPrincipal === undefined) return true;
  if (principal.type === 'AWSService' || principal.type === 'Anonymous') return true;
  const has = (one: string) => NotPrincipal.AWS.includes(one);
  const listsAccount = account.some(has);
  if (Effect === 'Allow') return !(listsAccount || has(principal.arn) || has(principal.roleArn ?? '-'));
  // A Deny spares only whom it lists with all that he is: the session, its role and its account.
  if (principal.type === 'Root') return !listsAccount;
  return !(listsAccount && has(principal.arn) && (principal.roleArn === undefined || has(principal.roleArn)));
}

const quote = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A regular expression of a pattern; undefined when it names a variable that has no value. */
function wildcard(pattern: string, variables: Keys | undefined): RegExp | undefined {
  let source = '';
  let rest = pattern;
  while (rest !== '') {
    const variable = variables === undefined ? null : /^\$\{([^}]*)\}/.exec(rest);
    if (variable === null) {
      source += rest[0] === '*' ? '.*' : rest[0] === '?' ? '.' : quote(rest[0]!);
      rest = rest.slice(1);
      continue;
    }
    const value = variableValue(variable[1]!, variables!);
    if (value === undefined) return undefined;
    source += quote(value);
    rest = rest.slice(variable[0].length);
  }
  return new RegExp(`^${source}$`, 's');
}

function variableValue(inside: string, variables: Keys): string | undefined {
  if (inside === '*' || inside === '?' || inside === '$') return inside;
  const [, name = '', fallback] = /^\s*([^,\s]+)\s*(?:,\s*'(.*)'\s*)?$/.exec(inside) ?? [];
  const values = variables[name.toLowerCase()];
  return values?.length === 1 ? values[0] : fallback;
}

/** Each of the six parts by itself. Undefined where only an unknown variable stands against it. */
function arnMatches(pattern: string, arn: string, variables: Keys | undefined): boolean | undefined {
  if (pattern === '*') return true;
  // Colons inside variables separate nothing.
  const marked = pattern.replace(/\$\{[^}]*\}/g, (variable) => variable.replaceAll(':', '\u0000'));
  const parts = sixParts(marked).map((part) => part.replaceAll('\u0000', ':'));
  const texts = sixParts(arn);
  if (parts.length === 1) return wildcard(pattern, variables)?.test(arn);
  if (texts.length < 6) return false;
  const results = parts.map((part, index) => wildcard(part, variables)?.test(texts[index]!));
  if (results.includes(false)) return false;
  return results.includes(undefined) ? undefined : true;
}

function sixParts(text: string): string[] {
  const parts = text.split(':');
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(':')];
}

/** One line of a condition. */
function holds(operator: string, given: string[] | undefined, values: string[], variables: Keys | undefined): boolean {
  const [, quantifier, base = '', ifExists] = /^(?:(\w+):)?(\w+?)(IfExists)?$/.exec(operator)!;
  const isThere = given !== undefined && given.length > 0;
  if (base === 'Null') return values.includes(String(!isThere));
  const isNegated = /Not/.test(base);
  if (!isThere)
    return ifExists !== undefined || quantifier === 'ForAllValues' || (isNegated && quantifier === undefined);
  const one = (value: string) => values.some((policy) => equal(base, value, policy, variables)) !== isNegated;
  const isNull = given.length === 1 && given[0] === '';
  if (quantifier === 'ForAllValues') return isNull || given.every(one);
  if (quantifier === 'ForAnyValue') return !isNull && given.some(one);
  return isNegated ? given.every(one) : given.some(one);
}

/** Whether a value compares equal, the negation of the operator left aside. */
function equal(base: string, value: string, policy: string, variables: Keys | undefined): boolean {
  const positive = base.replace('Not', '');
  switch (positive) {
    case 'StringEquals':
    case 'StringEqualsIgnoreCase': {
      const plain = plainText(policy, variables);
      if (plain === undefined) return false;
      return positive === 'StringEquals' ? plain === value : plain.toLowerCase() === value.toLowerCase();
    }
    case 'Bool': {
      const plain = plainText(policy, variables);
      return plain?.toLowerCase() === value.toLowerCase();
    }
    case 'StringLike':
      return wildcard(policy, variables)?.test(value) === true;
    case 'ArnEquals':
    case 'ArnLike':
      return sixParts(value).length === 6 && value.startsWith('arn:') && arnMatches(policy, value, variables) === true;
    case 'BinaryEquals':
      return Buffer.from(value, 'base64').equals(Buffer.from(policy, 'base64'));
    case 'IpAddress':
      return inBlock(value, policy);
    default:
      return ordered(positive, value, policy);
  }
}

function plainText(policy: string, variables: Keys | undefined): string | undefined {
  if (variables === undefined) return policy;
  const known = [...policy.matchAll(/\$\{([^}]*)\}/g)].map(([, inside]) => variableValue(inside!, variables));
  if (known.includes(undefined)) return undefined;
  return policy.replace(/\$\{[^}]*\}/g, () => known.shift()!);
}

function ordered(operator: string, value: string, policy: string): boolean {
  const read = operator.startsWith('Date') ? (text: string) => new Date(text).getTime() : Number;
  const [a, b] = [read(value), read(policy)];
  const comparisons: Record<string, boolean> = {
    Equals: a === b,
    LessThan: a < b,
    LessThanEquals: a <= b,
    GreaterThan: a > b,
    GreaterThanEquals: a >= b,
  };
  return value.trim() !== '' && comparisons[operator.replace(/^(Numeric|Date)/, '')]!;
}

/** IPv4 alone: the table has the cases of version 6. */
function inBlock(value: string, block: string): boolean {
  const bits = (text: string) =>
    text
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  const [address = '', length = '32'] = block.split('/');
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(value)) return false;
  return bits(value).slice(0, Number(length)) === bits(address).slice(0, Number(length));
}
