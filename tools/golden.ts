/** `npm run golden` writes the golden files and the README's table of services anew; the diff is what a review looks at. */
import { readFileSync, writeFileSync } from 'node:fs';
import { authorizationGolden } from '../test/authorization/golden.ts';
import { makeSamples, nobody } from '../test/authorization/samples.ts';
import { startServer } from '../test/harness.ts';
import { operationsGolden, README_END, README_START, serviceTable } from './golden-files.ts';

writeFileSync('test/golden/operations.txt', operationsGolden());
const readme = readFileSync('README.md', 'utf8');
const [before, rest] = readme.split(README_START) as [string, string];
const after = rest.split(README_END)[1] ?? '';
writeFileSync('README.md', `${before}${README_START}\n${serviceTable()}${README_END}${after}`);

/** What operations ask of IAM is asked of the operations, on a server with something to find. */
const endings: (() => unknown)[] = [];
const server = await startServer({ after: (end) => endings.push(end as () => unknown) });
try {
  const made = await makeSamples(server);
  writeFileSync('test/golden/authorization.txt', await authorizationGolden(made, nobody(server)));
} finally {
  for (const end of endings) await end();
}
