import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../service.ts';
import { testService } from '../testing/services.ts';
import type { HttpRequest } from './http.ts';
import { routeRest } from './rest-router.ts';

/** A service with nothing but bindings. */
function bound(bindings: Record<string, [method: string, path: string]>): Service {
  return {
    operationNames: Object.keys(bindings),
    operationShape: (name: string) => ({ name, traits: { http: [...bindings[name]!, 200] } }),
  } as unknown as Service;
}

function route(service: Service, line: string) {
  const [method, url] = line.split(' ') as [string, string];
  const [path, query = ''] = url.split('?') as [string, string?];
  const found = routeRest(service, { method, path, query } as HttpRequest);
  return found === undefined ? undefined : [found.operation, { ...found.labels }];
}

test('paths go to the most specific binding', () => {
  const service = bound({
    List: ['GET', '/things'],
    Get: ['GET', '/things/{id}'],
    Put: ['PUT', '/things/{id}'],
    GetPart: ['GET', '/things/{id}/parts/{part}'],
    Special: ['GET', '/things/special'],
    Greedy: ['GET', '/files/{path+}'],
    GreedyParts: ['GET', '/files/{path+}?parts'],
    One: ['GET', '/files/{name}'],
    Typed: ['GET', '/files/{name}?list-type=2'],
    Root: ['GET', '/'],
    RootPost: ['POST', '/?x-id=RootPost'],
  });
  const cases: [string, unknown][] = [
    ['GET /things', ['List', {}]],
    ['GET /things/special', ['Special', {}]],
    ['GET /things/a%2Fb', ['Get', { id: 'a/b' }]],
    ['GET /things/%C3%BC%20+', ['Get', { id: 'ü +' }]],
    ['PUT /things/x?y=1', ['Put', { id: 'x' }]],
    ['GET /things/x/parts/7', ['GetPart', { id: 'x', part: '7' }]],
    ['GET /files/a', ['One', { name: 'a' }]],
    ['GET /files/a/b/c', ['Greedy', { path: 'a/b/c' }]],
    ['GET /files/a/b%2Fc?parts', ['GreedyParts', { path: 'a/b/c' }]],
    ['GET /files/a?list-type=2', ['Typed', { name: 'a' }]],
    ['GET /files/a?list-type=1', ['One', { name: 'a' }]],
    ['GET /', ['Root', {}]],
    ['POST /', ['RootPost', {}]],
    ['GET /things/', undefined],
    ['GET /things/x/', undefined],
    ['GET /things/x/parts', undefined],
    ['GET /other', undefined],
    ['DELETE /things', undefined],
    ['get /things', undefined],
    ['GET *', undefined],
    ['GET things', undefined],
    ['GET /things/__proto__', ['Get', { id: '__proto__' }]],
  ];
  for (const [line, expected] of cases) assert.deepEqual(route(service, line), expected, line);
});

test('a malformed escape in a label is refused', () => {
  const service = bound({ Get: ['GET', '/things/{id}'] });
  for (const bad of ['%', '%Z', '%ZZ', '%C0%AF', '%ED%A0%80', '%FF']) {
    assert.throws(() => route(service, `GET /things/${bad}`), { name: 'SerializationException' }, bad);
  }
});

test('every operation of a model is found by a path of its own binding', () => {
  const service = testService('codeartifact', {});
  for (const name of service.operationNames) {
    const [method, pattern] = service.operationShape(name)!.traits.http!;
    const line = `${method} ${pattern.replace(/\{(\w+)\+?\}/g, (_, label: string) => `a-${label}`)}`;
    assert.equal(route(service, line)?.[0], name, line);
  }
});
