/** A mistake of the user: told in one line, without a stack. */
export class UsageError extends Error {}
