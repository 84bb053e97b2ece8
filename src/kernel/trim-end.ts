/**
 * Takes any of these characters off the end of a text. An expression such as `/\/+$/` looks from each of them to where
 * their run ends: for a run in the middle of a long text that takes its square, and nobody else is served meanwhile.
 */
export function trimEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}
