import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../fault.ts';
import { DRAFTS } from './testdata/drafts.ts';
import { accept, hasQueryForm, presignWithSdk, type SigningTask, signWithSdk } from './testdata/signers.ts';
import type { WireRequest } from './wire-request.ts';

/** A path without its empty and dot segments, which every service but S3 ignores. */
function resolved(path: string): string {
  let plain = `/${path}/`.replace(/\/+/g, '/');
  for (let before = ''; plain !== before; ) {
    before = plain;
    plain = plain
      .replaceAll('/./', '/')
      .replace(/\/(?!\.\.\/)[^/]+\/\.\.\//, '/')
      .replace(/^\/\.\.\//, '/');
  }
  return plain !== '/' && path.endsWith('/') ? plain : plain.slice(0, -1);
}

/** What a request means, so that a mutation which changes nothing (a doubled `&`) is not counted as an attack. */
function meaning(request: WireRequest, task: SigningTask, body: string | undefined): string {
  const query = request.query
    .split('&')
    .filter((piece) => piece !== '')
    .map((piece) => {
      const [name = '', ...rest] = piece.split('=');
      return [name, rest.join('=')].map((part) => unescape(part.replaceAll('+', ' ')));
    });
  const path = task.style === 's3' ? unescape(request.path) || '/' : resolved(request.path);
  const headers: Record<string, string> = {};
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!.toLowerCase();
    const value = request.rawHeaders[i + 1]!.trim().replace(/[ \t]+/g, ' ');
    headers[name] =
      (name in headers ? `${headers[name]},` : '') + (name === 'authorization' ? value.replaceAll(' ', '') : value);
  }
  return JSON.stringify([request.method, path, query.sort(), Object.entries(headers).sort(), body]);
}

/** A reproducible stream of numbers below `n`. */
function randomFrom(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function mutate(request: WireRequest, random: (n: number) => number): WireRequest {
  const change = (text: string) => {
    const at = random(text.length + 1);
    const char = 'aZ09/%&=;,. +~-'[random(15)]!;
    return [
      text.slice(0, at) + char + text.slice(at),
      text.slice(0, at) + text.slice(at + 1),
      text.slice(0, at) + char + text.slice(at + 1),
      text.slice(0, at),
      text.toUpperCase(),
      text + text,
    ][random(6)]!;
  };
  const rawHeaders = [...request.rawHeaders];
  // Unsigned headers may change freely: user-agent and its like are not part of these requests.
  const header = random(rawHeaders.length / 2) * 2;
  switch (random(9)) {
    case 0:
      return { ...request, method: change(request.method) };
    case 1:
      return { ...request, path: change(request.path) };
    case 2:
      return { ...request, query: change(request.query) };
    case 3:
      return {
        ...request,
        query: `${request.query}&${['x-amz-acl=public-read', 'X-Amz-Date=20261120T113455Z', 'X-AMZ-SIGNATURE=0', 'a=b'][random(4)]}`,
      };
    case 4:
      rawHeaders.splice(header, 2);
      return { ...request, rawHeaders };
    case 5:
      rawHeaders.push(rawHeaders[header]!, rawHeaders[header + 1]!);
      return { ...request, rawHeaders };
    case 6:
      rawHeaders.push(
        ['x-amz-copy-source', 'x-amz-target', 'X-Amz-Acl', 'x-amz-security-token'][random(4)]!,
        '/b/secret',
      );
      return { ...request, rawHeaders };
    default:
      rawHeaders[header + 1] = change(rawHeaders[header + 1]!);
      return { ...request, rawHeaders };
  }
}

test('S3: of 200 mutations of each signed request, header and query form, none is accepted', async () => {
  let tried = 0;
  for (const [index, [name, draft, task]] of DRAFTS.entries()) {
    const forms = [await signWithSdk(draft, task)];
    if (hasQueryForm(draft, task)) forms.push(await presignWithSdk(draft, task));
    for (const original of forms) {
      const random = randomFrom(index + 1);
      accept(original, task, draft.body);
      const same = meaning(original, task, draft.body);
      let counted = 0;
      while (counted < 200) {
        const request = mutate(original, random);
        if (meaning(request, task, draft.body) === same) continue;
        counted++;
        assert.throws(() => accept(request, task, draft.body), Fault, `${name}: ${JSON.stringify(request)}`);
      }
      tried += counted;
    }
  }
  assert.ok(tried >= 7600, `only ${tried}`);
});
