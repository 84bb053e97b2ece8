/** Types of operations, derived from an SDK package by operation name. */

// biome-ignore lint/suspicious/noExplicitAny: any `import * as sdk` of an @aws-sdk/client package
export type SdkModule = Record<string, any>;

/** Operations of an SDK package: those that it exports as `<Name>Command`. */
export type OperationName<M> = {
  [K in keyof M & string]: K extends `${infer Name}Command` ? (Name extends '$' | '' ? never : Name) : never;
}[keyof M & string];

type CommandOf<M, N extends string> = `${N}Command` extends keyof M ? M[`${N}Command`] : never;

// biome-ignore lint/suspicious/noExplicitAny: the command's input is what is inferred
export type OperationInput<M, N extends string> =
  CommandOf<M, N> extends new (...args: any) => { readonly input: infer Input } ? Input : never;

/** The output without the SDK's `$metadata`, which the wire does not carry. */
export type OperationOutput<M, N extends string> =
  // biome-ignore lint/suspicious/noExplicitAny: the handler's output is what is inferred
  CommandOf<M, N> extends new (
    ...args: any
  ) => { resolveMiddleware(...args: any): (...args: any) => Promise<{ output: infer Output }> }
    ? Omit<Output, '$metadata'>
    : never;

/** An input after validation: members that the model requires are there. */
export type ValidInput<Input> = {
  [K in keyof Input]: Record<never, never> extends Pick<Input, K> ? Input[K] : Exclude<Input[K], undefined>;
};
