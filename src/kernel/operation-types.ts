/** Types of operations, derived from an SDK package by operation name. */

// biome-ignore lint/suspicious/noExplicitAny: what stands in these places is inferred, or of no interest
type Anything = any;

/** Any `import * as sdk` of an `@aws-sdk/client-*` package. */
export type SdkModule = Record<string, Anything>;

/** Operations of an SDK package: those that it exports as `<Name>Command`. */
export type OperationName<M> = {
  [K in keyof M & string]: K extends `${infer Name}Command` ? (Name extends '$' | '' ? never : Name) : never;
}[keyof M & string];

type CommandOf<M, N extends string> = `${N}Command` extends keyof M ? M[`${N}Command`] : never;

export type OperationInput<M, N extends string> =
  CommandOf<M, N> extends new (...args: Anything) => { readonly input: infer Input } ? Input : never;

interface Resolving<Output> {
  resolveMiddleware(...args: Anything): (...args: Anything) => Promise<{ output: Output }>;
}

/** The output without the SDK's `$metadata`, which the wire does not carry. */
export type OperationOutput<M, N extends string> =
  CommandOf<M, N> extends new (...args: Anything) => Resolving<infer Output> ? Omit<Output, '$metadata'> : never;

/** An input after validation: members that the model requires are there. */
export type ValidInput<Input> = {
  [K in keyof Input]: Record<never, never> extends Pick<Input, K> ? Input[K] : Exclude<Input[K], undefined>;
};
