import * as sdk from '@aws-sdk/client-iam';
import { type CompiledPolicy, type PolicyForm, parsePolicy } from '../../kernel/auth/policy-grammar.ts';
import { fault } from '../../kernel/fault.ts';

const MAX_COMPILED = 10_000;

const compiled = new Map<string, CompiledPolicy>();

/**
 * The compiled form of a stored document. The same text compiles to the same policy, so installations and principals
 * share one: policies are many, different documents few.
 */
export function compileDocument(document: string, form: PolicyForm): CompiledPolicy {
  const key = `${form}\n${document}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const policy = parsePolicy(document, { form });
  if (compiled.size >= MAX_COMPILED) compiled.delete(compiled.keys().next().value!);
  compiled.set(key, policy);
  return policy;
}

/** @throws MalformedPolicyDocument in IAM's words */
export function checkDocument(document: string, form: PolicyForm): void {
  parsePolicy(document, { form, fault: (message) => fault(sdk.MalformedPolicyDocumentException, message) });
}

/** Characters that count against the size quotas: IAM leaves out white space. */
export function documentSize(document: string): number {
  return document.replace(/\s/g, '').length;
}

/** A document as IAM's answers carry it: percent-encoded (RFC 3986). */
export function encodeDocument(document: string): string {
  return encodeURIComponent(document).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
