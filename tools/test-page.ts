/** Writes a test run's closing lines as a page: what the pipeline of `npm run demo -- --self` deploys. */
import { readFileSync } from 'node:fs';

const [path] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node tools/test-page.ts <output of the test runner>');
  process.exit(2);
}
const closing = readFileSync(path, 'utf8')
  .split('\n')
  .filter((line) => /^(ℹ|#) (tests|pass|fail|skipped|duration_ms) /.test(line))
  .join('\n')
  .replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);
const commit = process.env['CODEBUILD_RESOLVED_SOURCE_VERSION'] ?? 'unknown';
console.log(`<!doctype html><meta charset="utf-8"><title>Slipway builds itself</title>
<h1>Slipway, built by Slipway</h1><p>Commit <code>${commit.replace(/[^0-9a-f]/g, '')}</code></p><pre>${closing}</pre>`);
