/**
 * Patterns of the models over which a backtracking engine takes time without bound, each with one that matches the same
 * texts: what stands in the repeated group also stands in what it is separated by.
 */
const REWRITTEN: Readonly<Record<string, string>> = {
  '^[ \\t]*[\\x20-\\x7E]+([ \\t]+[\\x20-\\x7E]+)*[ \\t]*$': '[ \\t]*[\\x20-\\x7E][\\t\\x20-\\x7E]*',
  '^[ \\t]*[^\\x00-\\x1F:\\x7F]+([ \\t]+[^\\x00-\\x1F:\\x7F]+)*[ \\t]*$':
    '[ \\t]*[^\\x00-\\x1F:\\x7F](?:\\t|[^\\x00-\\x1F:\\x7F])*',
};

const compiled = new Map<string, RegExp>();

/** A model's pattern, anchored. The table's generator has proved that each compiles. */
export function compilePattern(pattern: string): RegExp {
  let regex = compiled.get(pattern);
  if (regex === undefined) {
    const source = `^(?:${REWRITTEN[pattern] ?? pattern})$`;
    try {
      regex = new RegExp(source, 'u');
    } catch {
      // Patterns of the models are Java's; some escape characters that the `u` flag forbids to escape.
      regex = new RegExp(source);
    }
    compiled.set(pattern, regex);
  }
  return regex;
}
