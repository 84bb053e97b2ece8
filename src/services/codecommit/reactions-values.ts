import type { ReactionForms } from './events.ts';

/** Reactions by the names that counts have. Source: CodeCommit User Guide, "Comment on a commit", table of emojis. */
export const REACTIONS: Readonly<Record<string, ReactionForms>> = {
  THUMBSUP: { emoji: '\u{1F44D}', shortCode: ':thumbsup:', unicode: 'U+1F44D' },
  THUMBSDOWN: { emoji: '\u{1F44E}', shortCode: ':thumbsdown:', unicode: 'U+1F44E' },
  SMILE: { emoji: '\u{1F604}', shortCode: ':smile:', unicode: 'U+1F604' },
  HEART: { emoji: '\u{2764}\u{FE0F}', shortCode: ':heart:', unicode: 'U+2764' },
  ANGRY: { emoji: '\u{1F620}', shortCode: ':angry:', unicode: 'U+1F620' },
  CONFUSED: { emoji: '\u{1F615}', shortCode: ':confused:', unicode: 'U+1F615' },
  SCREAM: { emoji: '\u{1F631}', shortCode: ':scream:', unicode: 'U+1F631' },
  SOB: { emoji: '\u{1F62D}', shortCode: ':sob:', unicode: 'U+1F62D' },
  CLAP: { emoji: '\u{1F44F}', shortCode: ':clap:', unicode: 'U+1F44F' },
  CONFETTI_BALL: { emoji: '\u{1F38A}', shortCode: ':confetti_ball:', unicode: 'U+1F38A' },
  SHIP: { emoji: '\u{1F6A2}', shortCode: ':ship:', unicode: 'U+1F6A2' },
  EYES: { emoji: '\u{1F440}', shortCode: ':eyes:', unicode: 'U+1F440' },
};

/** What takes a reaction back. */
const NONE = new Set(['', 'none', ':none:', 'u+0000']);
/** Asks for the coloured picture of a character; it is the same emoji without it. */
const PRESENTATION = /\u{FE0F}/gu;

/**
 * The reaction that a value means, in any of its three forms: emoji, `:shortcode:`, `U+` and its code point.
 * @returns null for no reaction, undefined for a value that there is not.
 */
export function reactionOf(value: string): string | null | undefined {
  const text = value.trim();
  if (NONE.has(text.toLowerCase())) return null;
  const plain = text.replace(PRESENTATION, '');
  const found = Object.entries(REACTIONS).find(
    ([, { emoji, shortCode, unicode }]) =>
      plain === emoji.replace(PRESENTATION, '') || text === shortCode || text.toUpperCase() === unicode,
  );
  return found?.[0];
}
