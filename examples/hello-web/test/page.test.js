import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeHtml, renderPage } from '../src/page.js';

test('the page shows greeting, commit and number', () => {
  const page = renderPage({ greeting: 'Hi', commit: 'abc123', visit: '3\n' });
  assert.match(page, /<h1>Hi<\/h1>/);
  assert.match(page, /<code>abc123<\/code>/);
  assert.match(page, /number 3\./);
});

test('text cannot become markup', () => {
  assert.equal(escapeHtml(`<b>"it's" & more</b>`), '&lt;b&gt;&quot;it&#39;s&quot; &amp; more&lt;/b&gt;');
});
