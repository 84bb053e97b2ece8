import { services } from '../src/services.ts';
import { operationFiles } from './operation-index.ts';

export const README_START = '<!-- services: written by npm run golden -->';
export const README_END = '<!-- end of services -->';

/** Every operation of every service with the file that implements it, or `not implemented`. */
export function operationsGolden(): string {
  const lines = services.flatMap((service) => {
    const files = operationFiles(service);
    return service.operationNames.map((name) => {
      const file = files.get(name)?.replace(/:\d+$/, '');
      return `${service.name}:${name} ${file ?? 'not implemented'}`;
    });
  });
  return `${lines.join('\n')}\n`;
}

/** The README's table: what each service answers, counted from the code. */
export function serviceTable(): string {
  const rows = services.map((service) => {
    const done = service.operations.size;
    const all = service.operationNames.length;
    return `| [${service.name}](src/services/${service.name}/README.md) | ${done} of ${all} |`;
  });
  return `| service | operations that work |\n|---|---|\n${rows.join('\n')}\n`;
}
