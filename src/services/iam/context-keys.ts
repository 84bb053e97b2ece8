import * as sdk from '@aws-sdk/client-iam';
import { parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { namedPolicies, subjectOf } from './named-policies.ts';
import { contextKeysOf } from './policy-texts.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** @throws InvalidInput for a document that is no policy */
function keysOf(documents: readonly string[]): string[] {
  const keys = documents.flatMap((document, index) => {
    parsePolicy(document, {
      form: 'identity',
      name: `PolicyInputList.${index + 1}`,
      fault: (message) => fault(sdk.InvalidInputException, message),
    });
    return contextKeysOf(document);
  });
  return [...new Map(keys.map((key) => [key.toLowerCase(), key])).values()].sort();
}

export const GetContextKeysForCustomPolicy: Op<'GetContextKeysForCustomPolicy'> = {
  resource: () => '*',
  async handle({ PolicyInputList: documents }) {
    return { ContextKeyNames: keysOf(documents) };
  },
};

export const GetContextKeysForPrincipalPolicy: Op<'GetContextKeysForPrincipalPolicy'> = {
  resource: ({ PolicySourceArn: source }) => source,
  async handle({ PolicySourceArn: source, PolicyInputList: more = [] }, ctx) {
    const own = await namedPolicies(ctx, await subjectOf(ctx, source));
    return { ContextKeyNames: keysOf([...own.map(({ document }) => document), ...more]) };
  },
};
