/** Cross-origin rules: what may be put, and what they answer. Pure. Source: S3 User Guide, "Using cross-origin resource sharing". */
import type * as sdk from '@aws-sdk/client-s3';
import { invalidRequest, malformedXml } from './faults.ts';

const METHODS = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'];
const MAX_RULES = 100;
const MAX_ID_CHARS = 255;

/** @throws MalformedXML, InvalidRequest */
export function checkCors(rules: readonly sdk.CORSRule[] | undefined): sdk.CORSRule[] {
  if (rules === undefined || rules.length === 0 || rules.length > MAX_RULES) throw malformedXml();
  for (const rule of rules) {
    const { AllowedMethods: methods = [], AllowedOrigins: origins = [] } = rule;
    if (methods.length === 0 || origins.length === 0) throw malformedXml();
    for (const method of methods) {
      if (METHODS.includes(method)) continue;
      throw invalidRequest(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`);
    }
    for (const origin of origins) checkWildcard('AllowedOrigin', origin);
    for (const header of rule.AllowedHeaders ?? []) checkWildcard('AllowedHeader', header);
    for (const header of rule.ExposeHeaders ?? []) {
      if (header.includes('*')) {
        throw invalidRequest(
          `ExposeHeader "${header}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
        );
      }
    }
    if ((rule.ID ?? '').length > MAX_ID_CHARS) throw invalidRequest('ID length should not exceed allowed limit of 255');
  }
  return [...rules];
}

function checkWildcard(name: string, text: string): void {
  if (text.split('*').length > 2) throw invalidRequest(`${name} "${text}" can not have more than one wildcard.`);
}

function fits(pattern: string, text: string): boolean {
  const at = pattern.indexOf('*');
  if (at === -1) return pattern === text;
  const [start, end] = [pattern.slice(0, at), pattern.slice(at + 1)];
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

/** What a page on another origin asks for. */
export interface CrossOrigin {
  origin: string;
  method: string;
  /** Headers that a preflight announces, lower case. */
  headers: readonly string[];
}

/** Headers that let a page see the answer; undefined when no rule lets it. */
export function corsHeaders(rules: readonly sdk.CORSRule[], asked: CrossOrigin): Record<string, string> | undefined {
  const { origin, method, headers } = asked;
  for (const rule of rules) {
    const fitting = rule.AllowedOrigins?.find((pattern) => fits(pattern, origin));
    if (fitting === undefined || !rule.AllowedMethods?.includes(method)) continue;
    const allowed = (rule.AllowedHeaders ?? []).map((name) => name.toLowerCase());
    if (!headers.every((header) => allowed.some((pattern) => fits(pattern, header)))) continue;
    const anybody = fitting === '*';
    return {
      'access-control-allow-origin': anybody ? '*' : origin,
      'access-control-allow-methods': rule.AllowedMethods.join(', '),
      ...(headers.length === 0 ? {} : { 'access-control-allow-headers': headers.join(', ') }),
      ...(rule.ExposeHeaders?.length ? { 'access-control-expose-headers': rule.ExposeHeaders.join(', ') } : {}),
      ...(rule.MaxAgeSeconds === undefined ? {} : { 'access-control-max-age': String(rule.MaxAgeSeconds) }),
      ...(anybody ? {} : { 'access-control-allow-credentials': 'true' }),
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    };
  }
  return undefined;
}
