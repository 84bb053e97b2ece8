import { isIP } from 'node:net';
import * as sdk from '@aws-sdk/client-cloudtrail';
import { arn, parseArn } from '../../kernel/arn.ts';
import type { Context, Tx } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import { type TrailRow, tables } from './tables.ts';

/** Where a call works. Contexts are places. */
export interface Place {
  readonly account: string;
  readonly region: string;
}

/** ARN of a trail. Source: Service Authorization Reference, "AWS CloudTrail". */
export function trailArn({ account, region }: Place, name: string): string {
  return arn('cloudtrail', region, account, `trail/${name}`);
}

/** ARN of a trail given by name or ARN, for IAM to evaluate. */
export function resourceOf(nameOrArn: string | undefined, ctx: Place): string {
  const text = nameOrArn ?? '';
  return text.startsWith('arn:') ? text : trailArn(ctx, text);
}

const NAME = /^[A-Za-z0-9](?:[._-]?[A-Za-z0-9]){2,127}$/;

/** @throws InvalidTrailNameException. Source: CloudTrail User Guide, "Naming requirements for CloudTrail resources". */
export function checkTrailName(name: string): void {
  if (NAME.test(name) && name.length <= 128 && isIP(name) === 0) return;
  if (name.length < 3 || name.length > 128) {
    throw fault(
      sdk.InvalidTrailNameException,
      'Trail name must have a minimum length of 3 characters and a maximum length of 128 characters.',
    );
  }
  throw fault(
    sdk.InvalidTrailNameException,
    'Trail name must start and end with a letter or number, hold only letters, numbers, periods, underscores and dashes, have no two of those in a row, and not be an IP address.',
  );
}

/**
 * The trail of a name or ARN that is seen in the caller's region: its own ones, and those of all regions.
 * @throws TrailNotFoundException, InvalidTrailNameException, CloudTrailARNInvalidException
 */
export async function trailByName(source: Context | Tx, place: Place, nameOrArn: string): Promise<TrailRow> {
  const trail = nameOrArn.startsWith('arn:')
    ? await trailByArn(source, place, nameOrArn)
    : await findSeen(source, place, nameOrArn);
  if (trail === undefined) {
    throw fault(
      sdk.TrailNotFoundException,
      `Unknown trail: ${resourceOf(nameOrArn, place)} for the user: ${place.account}`,
    );
  }
  return trail;
}

async function trailByArn(source: Context | Tx, place: Place, text: string): Promise<TrailRow | undefined> {
  const parsed = parseArn(text);
  if (parsed === undefined || parsed.service !== 'cloudtrail' || !parsed.resource.startsWith('trail/')) {
    throw fault(sdk.CloudTrailARNInvalidException, `Invalid trail ARN: ${text}`);
  }
  const trail = await tables(source)
    .selectFrom('cloudtrail_trails')
    .selectAll()
    .where('arn', '=', text)
    .where('account', '=', place.account)
    .executeTakeFirst();
  return trail;
}

async function findSeen(source: Context | Tx, place: Place, name: string): Promise<TrailRow | undefined> {
  checkTrailName(name);
  const found = await seenTrails(source, place, true);
  const named = found.filter((trail) => trail.name === name);
  return named.find((trail) => trail.home_region === place.region) ?? named[0];
}

/** Trails of the account that the region sees, by name. @param shadows those whose home is another region too */
export async function seenTrails(source: Context | Tx, place: Place, shadows: boolean): Promise<TrailRow[]> {
  const trails = await tables(source)
    .selectFrom('cloudtrail_trails')
    .selectAll()
    .where('account', '=', place.account)
    .orderBy('name')
    .orderBy('home_region')
    .execute();
  return trails.filter((trail) => trail.home_region === place.region || (shadows && trail.multi_region === 1));
}

/** The trail, which only its home region may change. @throws InvalidHomeRegionException and as `trailByName` */
export async function trailAtHome(source: Context | Tx, place: Place, nameOrArn: string): Promise<TrailRow> {
  const trail = await trailByName(source, place, nameOrArn);
  if (trail.home_region !== place.region) {
    throw fault(
      sdk.InvalidHomeRegionException,
      `Trail ${trail.arn} must be updated from the home region ${trail.home_region}`,
    );
  }
  return trail;
}

/** Changes columns of a trail. */
export async function updateTrail(tx: Tx, key: string, changes: Partial<TrailRow>): Promise<void> {
  await tables(tx).updateTable('cloudtrail_trails').set(changes).where('arn', '=', key).execute();
}
