import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderPage } from './page.js';

const root = new URL('..', import.meta.url).pathname;
const target = process.argv[2] ?? 'dist';
mkdirSync(target, { recursive: true });
const page = renderPage({
  greeting: process.env.GREETING ?? 'Hello',
  commit: process.env.CODEBUILD_RESOLVED_SOURCE_VERSION ?? 'unknown',
  visit: readFileSync(join(root, 'visit.txt'), 'utf8'),
});
writeFileSync(join(target, 'index.html'), page);
copyFileSync(join(root, 'src/style.css'), join(target, 'style.css'));
console.log(`wrote ${page.length} characters to ${target}/index.html`);
