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

const MIN_NAME = 3;
const MAX_NAME = 128;

/** @throws InvalidTrailNameException. Source: CloudTrail User Guide, "Naming requirements for CloudTrail resources". */
export function checkTrailName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) throw fault(sdk.InvalidTrailNameException, problem);
}

function nameProblem(name: string): string | undefined {
  const { length } = name;
  if (length < MIN_NAME) {
    return `Trail name too short. Minimum allowed length: ${MIN_NAME} characters. Specified name length: ${length} characters.`;
  }
  if (length > MAX_NAME) {
    return `Trail name too long. Maximum allowed length: ${MAX_NAME} characters. Specified name length: ${length} characters.`;
  }
  // AWS's own grammar.
  if (!/^[A-Za-z0-9]/.test(name)) return 'Trail name must starts with a letter or number.';
  if (!/[A-Za-z0-9]$/.test(name)) return 'Trail name must ends with a letter or number.';
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    return 'Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).';
  }
  if (/[._-]{2}/.test(name)) return 'Trail name must not have two periods, hyphens or underscores in a row.';
  return isIP(name) === 0 ? undefined : 'Trail name must not be in the format of an IP address.';
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
