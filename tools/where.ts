/** `npm run where CreateBranch` prints the file and line of an operation, or that it is not implemented. */
import { locateOperation } from './operation-index.ts';

const [name] = process.argv.slice(2);
if (name === undefined) {
  console.error('usage: npm run where <Operation>');
  process.exit(2);
}
const found = await locateOperation(name);
for (const line of found) console.log(line);
if (found.length === 0) {
  console.error(`no service of this installation has an operation ${name}`);
  process.exit(1);
}
