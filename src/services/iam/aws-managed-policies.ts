import { hash } from 'node:crypto';
import { STATEMENTS } from './aws-managed-statements.ts';

/** A policy that AWS keeps and every account can attach. */
export interface AwsManagedPolicy {
  readonly arn: string;
  readonly name: string;
  readonly path: string;
  readonly id: string;
  readonly description: string;
  readonly document: string;
}

/** All of them carry the same time: they come with the installation. */
export const AWS_MANAGED_AT = new Date('2026-01-01T00:00:00Z');

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** An id that stays the same in every installation. */
function fixedId(arn: string): string {
  const digest = hash('sha256', arn, 'buffer');
  let id = 'ANPA';
  for (let i = 0; i < 17; i++) id += BASE32[digest[i]! & 31];
  return id;
}

const BY_ARN = new Map<string, AwsManagedPolicy>(
  STATEMENTS.map(({ name, path = '/', description, statements }) => {
    const arn = `arn:aws:iam::aws:policy${path}${name}`;
    const document = JSON.stringify({ Version: '2012-10-17', Statement: statements }, null, 2);
    return [arn, { arn, name, path, id: fixedId(arn), description, document }];
  }),
);

export function awsManagedPolicy(arn: string): AwsManagedPolicy | undefined {
  return BY_ARN.get(arn);
}

/** All of them, ordered by ARN. */
export const AWS_MANAGED_POLICIES: readonly AwsManagedPolicy[] = [...BY_ARN.values()].sort((a, b) =>
  a.arn < b.arn ? -1 : 1,
);
