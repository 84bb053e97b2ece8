import type { Context, Tx } from '../../kernel/context.ts';
import type { MfaDeviceRow } from './credential-tables.ts';
import { tables } from './tables.ts';
import { STEP_SECONDS, stepAt, stepOfCodes } from './totp.ts';

/** A code is taken one step early or late. Source: RFC 6238, section 5.2. */
const TOLERANCE_STEPS = 1;
/** How far off the clock of a device may be that is enabled or synchronised anew. */
const RESYNC_STEPS = 60;
/** So many wrong codes in a row are a mistake; each further one doubles the time that the device rests. */
const FREE_FAILURES = 5;
const FIRST_REST_MS = STEP_SECONDS * 1000;
const LONGEST_REST_MS = 15 * 60_000;

const PURPOSE = 'iam.mfa-seed';

export function sealSeed({ secrets }: Context, serial: string, seed: Uint8Array): string {
  return secrets.seal(PURPOSE, serial, seed);
}

function openSeed({ secrets }: Context, row: MfaDeviceRow): Buffer {
  return secrets.open(PURPOSE, row.serial, row.seed);
}

/** Whether so many wrong codes came in a row that the device takes none for a while. */
export function isResting({ failures, failed_at }: MfaDeviceRow, nowMs: number): boolean {
  if (failures < FREE_FAILURES) return false;
  const restMs = Math.min(FIRST_REST_MS * 2 ** Math.min(failures - FREE_FAILURES, 20), LONGEST_REST_MS);
  return nowMs < failed_at + restMs;
}

/**
 * Checks a code of a device that its owner has enabled, and spends it: a code counts once, in whatever process and
 * after whatever restart. Wrong codes are counted, and after a few of them the device rests.
 * @param ownerId unique id of the user, or the account's for its root user
 */
export function spendCode(ctx: Context, ownerId: string, serial: string, code: string): Promise<boolean> {
  return ctx.tx(async (tx) => {
    const row = await tables(tx)
      .selectFrom('iam_mfa_devices')
      .selectAll()
      .where('serial', '=', serial)
      .where('user_id', '=', ownerId)
      .executeTakeFirst();
    const now = ctx.now().getTime();
    if (row === undefined || isResting(row, now)) return false;
    const around = { step: stepAt(now) + row.drift_steps, before: TOLERANCE_STEPS, beyond: TOLERANCE_STEPS };
    const step = stepOfCodes(openSeed(ctx, row), [code], around);
    // A code that was spent already is no guess: it came twice, perhaps by an impatient hand.
    if (step !== undefined && step <= row.last_step) return false;
    await change(
      tx,
      serial,
      step === undefined ? { failures: row.failures + 1, failed_at: now } : { last_step: step, failures: 0 },
    );
    return step !== undefined;
  });
}

/**
 * Sets a device's clock by two consecutive codes, which are spent by it.
 * @returns what of the row changes; undefined where they are not two consecutive codes of the device
 */
export function synchronised(
  ctx: Context,
  row: MfaDeviceRow,
  codes: readonly [string, string],
): Pick<MfaDeviceRow, 'last_step' | 'drift_steps' | 'failures'> | undefined {
  const now = stepAt(ctx.now().getTime());
  const around = { step: now - 1, before: RESYNC_STEPS, beyond: RESYNC_STEPS };
  const step = stepOfCodes(openSeed(ctx, row), codes, around, row.last_step);
  if (step === undefined) return undefined;
  // A step early or late is tolerated anyway, and comes from the time that typing takes.
  const drift = step - now;
  return { last_step: step, drift_steps: Math.abs(drift) <= TOLERANCE_STEPS ? 0 : drift, failures: 0 };
}

async function change(tx: Tx, serial: string, values: Partial<MfaDeviceRow>): Promise<void> {
  await tables(tx).updateTable('iam_mfa_devices').set(values).where('serial', '=', serial).execute();
}
