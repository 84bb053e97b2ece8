import { STATUS_CODES } from 'node:http';
import type { Fault } from '../../kernel/fault.ts';
import { escapeXml } from '../../kernel/wire/xml-value.ts';

/** The page for an error that the website has no document for. */
export function errorPage(status: number, error: Fault, requestId: string): string {
  const title = escapeXml(`${status} ${STATUS_CODES[status] ?? 'Error'}`);
  // A visitor learns that he may not, not what the owner's policies are.
  const message = error.name === 'AccessDenied' ? 'Access Denied' : error.message;
  const facts = { Code: error.name, Message: message, ...error.members, RequestId: requestId };
  const items = Object.entries(facts)
    .map(([name, value]) => `<li>${escapeXml(name)}: ${escapeXml(String(value))}</li>`)
    .join('\n');
  return `<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${items}\n</ul>\n</body>\n</html>\n`;
}
