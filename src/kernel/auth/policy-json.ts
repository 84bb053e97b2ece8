/**
 * Parses JSON in which no object names a key twice: of two `Effect` members a reader and the evaluator could see
 * different ones. Undefined when the text is not such JSON.
 */
export function parseStrictJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return hasRepeatedKey(text) ? undefined : value;
}

const STRING = /"(?:[^"\\]|\\.)*"/y;

/** Walks over JSON that is known to parse. */
function hasRepeatedKey(text: string): boolean {
  /** Keys seen in each open object; undefined stands for an array. */
  const open: (Set<string> | undefined)[] = [];
  let keyExpected = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') {
      open.push(new Set());
      keyExpected = true;
    } else if (char === '[') {
      open.push(undefined);
      keyExpected = false;
    } else if (char === '}' || char === ']') {
      open.pop();
      keyExpected = false;
    } else if (char === ',') keyExpected = open.at(-1) !== undefined;
    else if (char === '"') {
      STRING.lastIndex = i;
      const literal = STRING.exec(text)![0];
      i += literal.length - 1;
      if (!keyExpected) continue;
      const key: string = JSON.parse(literal);
      const keys = open.at(-1)!;
      if (keys.has(key)) return true;
      keys.add(key);
      keyExpected = false;
    }
  }
  return false;
}
