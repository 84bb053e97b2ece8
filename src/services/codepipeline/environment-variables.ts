/** A variable that a CodeBuild action hands to its build. */
export interface BuildVariable {
  readonly name: string;
  readonly value: string;
  readonly type: 'PLAINTEXT' | 'PARAMETER_STORE' | 'SECRETS_MANAGER';
}

const TYPES = new Set(['PLAINTEXT', 'PARAMETER_STORE', 'SECRETS_MANAGER']);

/**
 * Reads the `EnvironmentVariables` of a CodeBuild action: a JSON array of `{name, value, type}`.
 * @returns the variables, or what is wrong with the text.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
 */
export function readEnvironmentVariables(json: string): BuildVariable[] | { problem: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem: `EnvironmentVariables is not valid JSON: ${error.message}` };
  }
  if (!Array.isArray(parsed)) return { problem: 'EnvironmentVariables must be a JSON array' };
  const variables: BuildVariable[] = [];
  for (const entry of parsed as unknown[]) {
    const variable = readVariable(entry);
    if (variable === undefined) {
      return { problem: `EnvironmentVariables has an entry that is not {name, value, type}: ${JSON.stringify(entry)}` };
    }
    variables.push(variable);
  }
  return variables;
}

function readVariable(entry: unknown): BuildVariable | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { name, value, type = 'PLAINTEXT' } = entry as Record<string, unknown>;
  if (typeof name !== 'string' || name === '' || typeof value !== 'string') return undefined;
  if (typeof type !== 'string' || !TYPES.has(type)) return undefined;
  return { name, value, type: type as BuildVariable['type'] };
}
