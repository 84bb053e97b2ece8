/** Where something stands in a text; both count from one. */
export interface Position {
  Line: number;
  Column: number;
}

/** A statement of a document with its place in it. */
export interface PlacedStatement {
  /** A document of this one statement. */
  readonly document: string;
  readonly effect: 'Allow' | 'Deny';
  readonly start: Position;
  readonly end: Position;
}

/** The statements of a valid document, each with its place. */
export function placedStatements(document: string): PlacedStatement[] {
  const { Version, Statement } = JSON.parse(document) as { Version?: string; Statement: object | object[] };
  const statements = [Statement].flat() as { Effect: 'Allow' | 'Deny' }[];
  const places = placesOfStatements(document);
  return statements.map((statement, index) => {
    const { start, end } = places[index] ?? { start: 0, end: document.length };
    return {
      document: JSON.stringify({ ...(Version === undefined ? {} : { Version }), Statement: [statement] }),
      effect: statement.Effect,
      start: positionOf(document, start),
      end: positionOf(document, end),
    };
  });
}

/** Offsets of the objects that are the statement, or members of the list of statements. */
function placesOfStatements(text: string): { start: number; end: number }[] {
  const places: { start: number; end: number }[] = [];
  let depth = 0;
  let key = '';
  let listed = false;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      if (depth === 1) key = text.slice(at + 1, end);
      at = end;
    } else if (char === '{' || char === '[') {
      depth++;
      if (key === 'Statement' && depth === 2) listed = char === '[';
      if (key === 'Statement' && char === '{' && depth === (listed ? 3 : 2)) start = at;
    } else if (char === '}' || char === ']') {
      if (key === 'Statement' && char === '}' && depth === (listed ? 3 : 2)) places.push({ start, end: at + 1 });
      depth--;
    } else if (char === ',' && depth === 1) {
      key = '';
    }
  }
  return places;
}

/** Offset of the quotation mark that ends the string which begins here. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset).split('\n');
  return { Line: before.length, Column: before.at(-1)!.length + 1 };
}

/** The condition keys that a document asks for: in conditions and in variables, as they are written there. */
export function contextKeysOf(document: string): string[] {
  const keys = new Map<string, string>();
  const add = (key: string) => {
    if (!keys.has(key.toLowerCase())) keys.set(key.toLowerCase(), key);
  };
  const { Statement } = JSON.parse(document) as { Statement: object | object[] };
  for (const statement of [Statement].flat() as { Condition?: Record<string, Record<string, unknown>> }[]) {
    for (const block of Object.values(statement.Condition ?? {})) for (const key of Object.keys(block)) add(key);
  }
  for (const name of variablesOf(document)) add(name);
  return [...keys.values()];
}

/** The names in `${name}` and `${name, 'default'}`, in one walk over the document. */
function* variablesOf(document: string): Generator<string> {
  let end = -1;
  for (let at = document.indexOf('${'); at >= 0; at = document.indexOf('${', at + 2)) {
    if (end < at) end = document.indexOf('}', at);
    if (end < 0) return;
    const name = /^[\w:/.=+@ -]+(?=[,}])/.exec(document.slice(at + 2, end + 1))?.[0];
    if (name === undefined) continue;
    yield name.trimEnd();
    at = end - 1;
  }
}
