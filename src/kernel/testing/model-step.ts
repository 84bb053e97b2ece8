/** One call of a model-based test. */
export interface ModelStep<M, C> {
  /** What the model says the outcome must be; changes the model. */
  expect(model: M): string;
  call(client: C): Promise<unknown>;
}

/** What a call comes to: `done`, or the name of its fault without `Exception`. */
export function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'done',
    (error: Error) => error.name.replace(/Exception$/, ''),
  );
}
