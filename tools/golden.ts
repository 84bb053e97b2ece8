/** `npm run golden` writes the golden files and the README's table of services anew; the diff is what a review looks at. */
import { readFileSync, writeFileSync } from 'node:fs';
import { operationsGolden, README_END, README_START, serviceTable } from './golden-files.ts';

writeFileSync('test/golden/operations.txt', operationsGolden());
const readme = readFileSync('README.md', 'utf8');
const [before, rest] = readme.split(README_START) as [string, string];
const after = rest.split(README_END)[1] ?? '';
writeFileSync('README.md', `${before}${README_START}\n${serviceTable()}${README_END}${after}`);
