import { Fault } from '../fault.ts';
import { type Condition, compileCondition, isValidOperand, type OperatorName, parseOperator } from './conditions.ts';
import { parseStrictJson } from './policy-json.ts';
import { failsLegacyParsing, resourceProblem } from './policy-resources.ts';
import { isPrincipalValue, type PrincipalElement } from './principals.ts';
import { compileArnPattern, compileTokens, type Pattern, tokenize } from './wildcard.ts';

/**
 * Where a policy stands: attached to an identity (also boundaries and sessions), as a role's trust policy, or on any
 * other resource. The rules for principals, resources and versions differ.
 */
export type PolicyForm = 'identity' | 'trust' | 'resource';

/** `Action` or `NotAction`, `Resource` or `NotResource`: patterns, and whether they are meant to be left out. */
export interface PatternList {
  readonly negated: boolean;
  readonly patterns: readonly Pattern[];
}

export interface CompiledStatement {
  readonly sid: string | undefined;
  readonly effect: 'Allow' | 'Deny';
  /** Over action names in lower case. */
  readonly actions: PatternList;
  /** Absent in trust policies. */
  readonly resources: PatternList | undefined;
  /** Absent in policies of identities. */
  readonly principals: { readonly negated: boolean; readonly element: PrincipalElement } | undefined;
  readonly conditions: readonly Condition[];
}

/** A policy ready to be evaluated. It holds nothing of a request and may be kept and shared. */
export interface CompiledPolicy {
  readonly form: PolicyForm;
  readonly statements: readonly CompiledStatement[];
  /** Name or ARN for messages, where the caller gave one. */
  readonly name: string | undefined;
  /** Whether a condition or variable asks for a tag of the resource: only then are tags looked up. */
  readonly asksForResourceTags: boolean;
  /** Whether the text holds this (lower case), such as the beginning of a condition key: only then is its value looked up. */
  asksFor(fragment: string): boolean;
}

export interface ParseOptions {
  readonly form: PolicyForm;
  readonly name?: string;
  /** The error of a service that words it differently; IAM's `MalformedPolicyDocument` by default. */
  readonly fault?: (message: string) => Error;
}

type Raw = Readonly<Record<string, unknown>>;

const SYNTAX = 'Syntax errors in policy.';
const LEGACY = 'The policy failed legacy parsing';
const VERSIONS = ['2008-10-17', '2012-10-17'];
const TOP_ELEMENTS = ['Version', 'Id', 'Statement'];
const ELEMENTS = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
];

/** Raised inside the parser; `parsePolicy` turns it into the caller's fault. */
class Problem extends Error {}

/**
 * Parses, checks and compiles a policy document. Checks come in IAM's order, so the first problem is the one that IAM
 * reports.
 * @throws `MalformedPolicyDocument` (400), or what `options.fault` makes.
 */
export function parsePolicy(text: string, options: ParseOptions): CompiledPolicy {
  try {
    return compilePolicy(text, options);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw options.fault?.(error.message) ?? new Fault('MalformedPolicyDocument', error.message, { status: 400 });
  }
}

function compilePolicy(text: string, { form, name }: ParseOptions): CompiledPolicy {
  const document = readDocument(parseStrictJson(text), form);
  const statements = readStatements(document);
  const version = document['Version'] ?? '2008-10-17';
  if (form === 'identity' && version !== '2012-10-17') {
    throw new Problem('Policy document must be version 2012-10-17 or greater.');
  }
  if (form === 'identity') for (const statement of statements) checkLegacy(statement);
  checkSids(statements, form);
  for (const statement of statements) checkStatement(statement, form);
  const variables = version === '2012-10-17';
  const lowerCase = text.toLowerCase();
  return Object.freeze({
    form,
    name,
    asksForResourceTags: lowerCase.includes('resourcetag/'),
    asksFor: (fragment: string) => lowerCase.includes(fragment),
    statements: Object.freeze(statements.map((statement) => compileStatement(statement, variables))),
  });
}

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextList(value: unknown): value is string | readonly string[] {
  return typeof value === 'string' || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
}

function toList<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value as T];
}

const textsOf = (value: unknown) => toList(value as string | readonly string[] | undefined);

function readDocument(value: unknown, form: PolicyForm): Raw {
  if (!isObject(value)) throw new Problem(form === 'trust' ? 'This policy contains invalid Json' : SYNTAX);
  const { Version: version, Id: id } = value;
  const known = Object.keys(value).every((key) => TOP_ELEMENTS.includes(key));
  const versionKnown = version === undefined || VERSIONS.includes(version as string);
  if (!known || !versionKnown || (id !== undefined && typeof id !== 'string')) throw new Problem(SYNTAX);
  return value;
}

function readStatements(document: Raw): Raw[] {
  const statements = toList(document['Statement']);
  if (statements.length === 0) throw new Problem(SYNTAX);
  for (const statement of statements) {
    if (!isObject(statement) || !hasGoodShape(statement)) throw new Problem(SYNTAX);
  }
  return statements as Raw[];
}

/** Known members of the right types, and not both of a pair such as `Action` and `NotAction`. */
function hasGoodShape(statement: Raw): boolean {
  if (!Object.keys(statement).every((key) => ELEMENTS.includes(key))) return false;
  const { Sid: sid, Effect: effect, Condition: condition } = statement;
  if (sid !== undefined && typeof sid !== 'string') return false;
  if (typeof effect !== 'string' || !/^(?:allow|deny)$/i.test(effect)) return false;
  for (const name of ['Action', 'Resource']) {
    const [plain, negated] = [statement[name], statement[`Not${name}`]];
    if (plain !== undefined && negated !== undefined) return false;
    const value = plain ?? negated;
    if (value !== undefined && !isTextList(value)) return false;
  }
  const { Principal: principal, NotPrincipal: notPrincipal } = statement;
  if (principal !== undefined && notPrincipal !== undefined) return false;
  return isPrincipalShape(principal ?? notPrincipal) && (condition === undefined || isConditionShape(condition));
}

function isPrincipalShape(value: unknown): boolean {
  if (value === undefined || typeof value === 'string') return true;
  return isObject(value) && Object.values(value).every(isTextList);
}

function isConditionValue(value: unknown): boolean {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  );
}

function isConditionShape(condition: unknown): boolean {
  if (!isObject(condition)) return false;
  return Object.entries(condition).every(([operator, keys]) => {
    if (!isObject(keys)) return false;
    // IAM does not look at the name of an operator without keys.
    if (Object.keys(keys).length > 0 && parseOperator(operator) === undefined) return false;
    return Object.values(keys).every((values) => toList(values).every(isConditionValue));
  });
}

/** Lines of the `Condition` block with all values as text. */
function* conditionsOf(statement: Raw): Generator<{ operator: OperatorName; key: string; values: string[] }> {
  for (const [name, keys] of Object.entries((statement['Condition'] ?? {}) as Record<string, Raw>)) {
    const operator = parseOperator(name);
    if (operator === undefined) continue;
    for (const [key, values] of Object.entries(keys)) yield { operator, key, values: toList(values).map(String) };
  }
}

/** An older parser that IAM still asks: exact spelling of the effect, dates, ARNs that break off. */
function checkLegacy(statement: Raw): void {
  if (statement['Effect'] !== 'Allow' && statement['Effect'] !== 'Deny') throw new Problem(LEGACY);
  for (const { operator, values } of conditionsOf(statement)) {
    if (!values.every((value) => isValidOperand(operator.base, value))) throw new Problem(LEGACY);
  }
  const resources = textsOf(statement['Resource'] ?? statement['NotResource']);
  const partitionsAreWell = resources.every(
    (resource) => /^arn:aws[^:]*(?::|$)/.test(resource) || !resource.startsWith('arn:'),
  );
  if (partitionsAreWell && resources.some((resource) => resource.startsWith('arn:') && failsLegacyParsing(resource))) {
    throw new Problem(LEGACY);
  }
}

function checkSids(statements: readonly Raw[], form: PolicyForm): void {
  const seen = new Set<unknown>();
  for (const { Sid: sid } of statements) {
    if (sid === undefined || sid === '') continue;
    if (seen.has(sid)) throw new Problem('Statement IDs (SID) in a single policy must be unique.');
    seen.add(sid);
    if (form !== 'resource' && !/^[0-9A-Za-z]*$/.test(sid as string)) {
      throw new Problem(
        'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
      );
    }
  }
}

function checkStatement(statement: Raw, form: PolicyForm): void {
  if (!/^(?:Allow|Deny)$/.test(statement['Effect'] as string)) throw new Problem(LEGACY);
  const actions = textsOf(statement['Action'] ?? statement['NotAction']);
  const resources = textsOf(statement['Resource'] ?? statement['NotResource']);
  const principal = statement['Principal'] ?? statement['NotPrincipal'];
  if (form === 'identity') {
    if (principal !== undefined) throw new Problem('Policy document should not specify a principal.');
  } else checkPrincipal(principal, statement, form);
  if (actions.length === 0) {
    throw new Problem(form === 'trust' ? 'Missing required field Action' : 'Policy statement must contain actions.');
  }
  if (form === 'trust') {
    if (resources.length > 0) throw new Problem('Has prohibited field Resource');
    checkTrustActions(actions);
    return;
  }
  if (resources.length === 0) throw new Problem('Policy statement must contain resources.');
  if (form === 'identity') {
    const problem = resources.map(resourceProblem).find((text) => text !== undefined);
    if (problem !== undefined) throw new Problem(problem);
  }
  checkActions(actions);
}

function checkActions(actions: readonly string[]): void {
  for (const action of actions) {
    if (action === '*') continue;
    const [vendor = '', name, ...more] = action.split(':');
    if (name === undefined) {
      throw new Problem('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.');
    }
    if (more.length > 0) throw new Problem('Actions/Condition can contain only one colon.');
    if (vendor !== '*' && !/^[a-zA-Z0-9.-]+$/.test(vendor)) throw new Problem(`Vendor ${vendor} is not valid`);
  }
}

function checkTrustActions(actions: readonly string[]): void {
  for (const action of actions) {
    if (!/^sts:/i.test(action)) throw new Problem('AssumeRole policy may only specify STS AssumeRole actions.');
  }
}

function checkPrincipal(principal: unknown, statement: Raw, form: PolicyForm): void {
  if (principal === undefined) throw new Problem('Missing required field Principal');
  if (form === 'trust' && statement['NotPrincipal'] !== undefined && statement['Effect'] === 'Allow') {
    throw new Problem('Allow with NotPrincipal is not allowed.');
  }
  if (typeof principal === 'string') {
    if (principal !== '*') throw new Problem(`Invalid principal in policy: "${principal}"`);
    return;
  }
  const kinds = Object.entries(principal as Record<string, unknown>);
  if (kinds.length === 0) throw new Problem('Missing required field Principal cannot be empty!');
  for (const [kind, values] of kinds) {
    // A canonical user is S3's name of an account: nobody comes to a role by it.
    const isKnown = form !== 'trust' || kind !== 'CanonicalUser';
    const bad = textsOf(values).find((value) => !isKnown || !isPrincipalValue(kind, value));
    const shown = kind === 'AWS' ? kind : kind.toUpperCase();
    if (bad !== undefined) throw new Problem(`Invalid principal in policy: "${shown}":"${bad}"`);
  }
}

function compileStatement(statement: Raw, variables: boolean): CompiledStatement {
  return Object.freeze({
    sid: statement['Sid'] as string | undefined,
    effect: statement['Effect'] as 'Allow' | 'Deny',
    actions: compileActions(statement),
    resources: compileResources(statement, variables),
    principals: compilePrincipals(statement),
    conditions: Object.freeze(
      [...conditionsOf(statement)].map(({ operator, key, values }) =>
        compileCondition(operator, key, values, variables),
      ),
    ),
  });
}

function compileActions(statement: Raw): PatternList {
  const actions = textsOf(statement['Action'] ?? statement['NotAction']);
  // Names of actions have no case, and no variables in any version.
  const patterns = actions.map((action) =>
    compileTokens(tokenize(action.toLowerCase(), { variables: false, wildcards: true })),
  );
  return { negated: statement['NotAction'] !== undefined, patterns };
}

function compileResources(statement: Raw, variables: boolean): PatternList | undefined {
  const resources = statement['Resource'] ?? statement['NotResource'];
  if (resources === undefined) return undefined;
  const patterns = textsOf(resources).map((resource) =>
    compileArnPattern(tokenize(resource, { variables, wildcards: true })),
  );
  return { negated: statement['NotResource'] !== undefined, patterns };
}

function compilePrincipals(statement: Raw): CompiledStatement['principals'] {
  const value = statement['Principal'] ?? statement['NotPrincipal'];
  if (value === undefined) return undefined;
  const element: PrincipalElement =
    typeof value === 'string'
      ? '*'
      : Object.fromEntries(Object.entries(value as Raw).map(([kind, values]) => [kind, textsOf(values)]));
  return { negated: statement['NotPrincipal'] !== undefined, element };
}
