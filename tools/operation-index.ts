import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '../src/kernel/service.ts';
import { services } from '../src/services.ts';

/** File and line of each operation that a service folder exports. */
export function operationFiles(service: Service): Map<string, string> {
  const folder = join('src/services', service.name);
  const found = new Map<string, string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .forEach((line, index) => {
        const name = /^export const ([A-Z]\w+): Op</.exec(line)?.[1];
        if (name !== undefined && service.operations.has(name)) found.set(name, `${folder}/${file}:${index + 1}`);
      });
  }
  return found;
}

/** Where an operation is written, in every service that has one of this name. */
export async function locateOperation(name: string): Promise<string[]> {
  return services
    .filter((service) => service.operationNames.includes(name))
    .map((service) => `${service.name}:${name} ${operationFiles(service).get(name) ?? 'not implemented'}`);
}
