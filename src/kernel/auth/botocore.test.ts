import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Fault } from '../fault.ts';
import { DRAFTS } from './testdata/drafts.ts';
import { ACCESS_KEY_ID, accept, type Draft, SECRET, wire } from './testdata/signers.ts';

const SCRIPT = fileURLToPath(new URL('./testdata/botocore_sign.py', import.meta.url));
const present = spawnSync('python3', ['-c', 'import botocore.auth']).status === 0;

const percent = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function target({ path, query = {} }: Draft): string {
  const pieces = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${percent(name)}=${percent(one)}`),
  );
  return pieces.length === 0 ? path : `${path}?${pieces.join('&')}`;
}

test('S7: what botocore signs verifies, header and query form', {
  skip: present ? false : 'python3 with botocore is not installed',
}, () => {
  const jobs = DRAFTS.flatMap(([name, draft, task]) =>
    (['header', 'query'] as const)
      // botocore moves a body into the query string, and its URL parser cannot take a blank in a path.
      .filter((form) => !draft.path.includes(' ') && (form === 'header' || draft.body === undefined))
      .filter((form) => form === 'header' || !draft.headers?.['x-amz-content-sha256']?.startsWith('STREAMING'))
      .map((form) => ({ name: `${name}, ${form}`, form, draft, task })),
  );
  const input = jobs.map(({ form, draft, task }) => ({
    form,
    style: task.style,
    service: task.service,
    region: task.region ?? 'us-east-1',
    accessKeyId: task.accessKeyId ?? ACCESS_KEY_ID,
    secret: task.secret ?? SECRET,
    sessionToken: task.sessionToken,
    method: draft.method,
    target: target(draft),
    headers: form === 'query' && task.style === 's3' ? {} : (draft.headers ?? {}),
    body: draft.body,
  }));
  const run = spawnSync('python3', [SCRIPT], { input: JSON.stringify(input), encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  const signed: { target: string; rawHeaders: string[]; timestamp: string }[] = JSON.parse(run.stdout);
  for (const [index, { name, draft, task }] of jobs.entries()) {
    const { target, rawHeaders, timestamp } = signed[index]!;
    try {
      accept(wire(draft.method, target, rawHeaders), task, draft.body, timestamp);
    } catch (error) {
      assert.fail(`${name}: ${error instanceof Fault ? JSON.stringify({ ...error, error: error.message }) : error}`);
    }
  }
  assert.ok(jobs.length > 50);
});
