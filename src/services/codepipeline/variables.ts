/** A reference `#{namespace.key}` as it stands in a configuration value. */
export interface VariableReference {
  /** What stands between the braces. */
  readonly text: string;
  /** `undefined` where the text is not a namespace and a key joined by a period. */
  readonly namespace: string | undefined;
  readonly key: string | undefined;
}

/** Variables that an execution has so far, by namespace and key. */
export type VariableScopes = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The namespace of what the service itself knows; its only key so far is `PipelineExecutionId`. */
export const SERVICE_NAMESPACE = 'codepipeline';
export const EXECUTION_ID_KEY = 'PipelineExecutionId';
/** The namespace of the variables that the pipeline declares. */
export const PIPELINE_NAMESPACE = 'variables';

const REFERENCE = /#\{([^{}]*)\}/g;
const NAMESPACE_AND_KEY = /^([A-Za-z0-9@\-_]+)\.([A-Za-z0-9@\-_]+)$/;

/** A reference that has no value; `references` are the texts between the braces. */
export class UnresolvedVariables extends Error {
  override readonly name = 'UnresolvedVariables';
  readonly references: readonly string[];

  constructor(references: readonly string[]) {
    super(`One or more variable references could not be resolved: ${references.join(', ')}`);
    this.references = references;
  }
}

/** The references in a configuration value, in order. */
export function variableReferences(value: string): VariableReference[] {
  return [...value.matchAll(REFERENCE)].map(([, text]) => {
    const match = NAMESPACE_AND_KEY.exec(text!);
    return { text: text!, namespace: match?.[1], key: match?.[2] };
  });
}

/**
 * The configuration with every reference replaced. What a variable holds is never read as a reference again.
 * `EnvironmentVariables` is JSON and is resolved value by value, so that no commit message can change its structure.
 * @throws UnresolvedVariables where a reference has no value.
 * @see https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html
 */
export function resolveConfiguration(
  configuration: Readonly<Record<string, string>>,
  scopes: VariableScopes,
): Record<string, string> {
  const missing: string[] = [];
  const resolve = (value: string): string =>
    value.replace(REFERENCE, (whole, text: string) => {
      const [reference] = variableReferences(whole);
      const found =
        reference?.namespace === undefined ? undefined : scopes.get(reference.namespace)?.get(reference.key!);
      if (found === undefined) missing.push(text);
      return found ?? '';
    });
  const resolved = Object.fromEntries(
    Object.entries(configuration).map(([key, value]) => [
      key,
      (key === 'EnvironmentVariables' ? resolveInJson(value, resolve) : undefined) ?? resolve(value),
    ]),
  );
  if (missing.length > 0) throw new UnresolvedVariables(missing);
  return resolved;
}

/** Resolves the strings inside a JSON text; `undefined` where it is not JSON, which its reader will say. */
function resolveInJson(json: string, resolve: (value: string) => string): string | undefined {
  if (!json.includes('#{')) return json;
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return JSON.stringify(parsed, (_, value: unknown) => (typeof value === 'string' ? resolve(value) : value));
}
