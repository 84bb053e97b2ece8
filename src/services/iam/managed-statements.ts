/**
 * What the managed policies of AWS allow, in our own words: the actions of the services that exist here, as the AWS
 * Managed Policy Reference documents them.
 */
export interface ManagedStatements {
  readonly name: string;
  readonly path?: string;
  readonly description: string;
  readonly statements: readonly object[];
}

/** Allows actions. */
export const allow = (actions: readonly string[], resource: string | readonly string[] = '*', condition?: object) => ({
  Effect: 'Allow',
  Action: actions,
  Resource: resource,
  ...(condition === undefined ? {} : { Condition: condition }),
});
