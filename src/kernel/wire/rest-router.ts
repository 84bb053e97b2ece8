import type { RestTarget, Service } from '../service.ts';
import { commonFault } from './errors.ts';
import type { HttpRequest } from './http.ts';

interface Pattern {
  operation: string;
  method: string;
  /** Literal segments and labels (`{name}`, greedy `{name+}`). */
  segments: string[];
  /** Query parameters that must be there, with a value where the model gives one. */
  query: [name: string, value: string | undefined][];
}

const patterns = new WeakMap<Service, Pattern[]>();

/** Finds the operation of a REST request by the method and path that the model binds it to. */
export function routeRest(service: Service, request: HttpRequest): RestTarget | undefined {
  const query = new URLSearchParams(request.query);
  const parts = request.path.split('/').slice(1);
  for (const pattern of patternsOf(service)) {
    if (pattern.method !== request.method) continue;
    if (!pattern.query.every(([name, value]) => query.has(name) && (value === undefined || query.get(name) === value)))
      continue;
    const labels = matchSegments(pattern.segments, parts);
    if (labels !== undefined) return { operation: pattern.operation, labels };
  }
  return undefined;
}

/** Patterns, the most specific first: more literal segments, then more query literals. */
function patternsOf(service: Service): Pattern[] {
  let known = patterns.get(service);
  if (known === undefined) {
    known = service.operationNames.flatMap((operation) => {
      const http = service.operationShape(operation)?.traits.http;
      if (http === undefined) return [];
      const [path, search = ''] = http[1].split('?') as [string, string?];
      const query =
        search === '' ? [] : search.split('&').map((pair) => pair.split('=') as [string, string | undefined]);
      return [
        {
          operation,
          method: http[0],
          segments: path.split('/').slice(1),
          query: query.filter(([name]) => name !== 'x-id'),
        },
      ];
    });
    known.sort((a, b) => weight(b) - weight(a));
    patterns.set(service, known);
  }
  return known;
}

/** More literal segments weigh more than more parameters, those more than labels that take one segment only. */
function weight({ segments, query }: Pattern): number {
  const literals = segments.filter((part) => !part.startsWith('{')).length;
  const isGreedy = segments.some((part) => part.endsWith('+}'));
  return literals * 1_000 + query.length * 10 + (isGreedy ? 0 : 1);
}

function matchSegments(segments: string[], parts: string[]): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (let at = 0; at < segments.length; at++) {
    const segment = segments[at]!;
    const part = parts[at];
    if (part === undefined) return undefined;
    if (!segment.startsWith('{')) {
      if (segment !== part) return undefined;
    } else if (segment.endsWith('+}')) {
      labels[segment.slice(1, -2)] = decodePathPart(parts.slice(at).join('/'));
      return labels;
    } else {
      if (part === '') return undefined;
      labels[segment.slice(1, -1)] = decodePathPart(part);
    }
  }
  return segments.length === parts.length ? labels : undefined;
}

/** Decodes a part of a path. @throws on a malformed escape */
export function decodePathPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw commonFault('SerializationException', 'The path has a malformed percent-encoding.', error);
  }
}
