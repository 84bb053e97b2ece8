import type { Context } from '../../kernel/context.ts';
import type { ConditionKeys } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';

interface MfaInput {
  SerialNumber?: string | undefined;
  TokenCode?: string | undefined;
}

/** When a code was shown in a call: a code counts once, so it is looked at once. */
const shownAt = new WeakMap<Context, number>();

/**
 * Checks the code of an MFA device, where the call carries one.
 * @returns epoch milliseconds of the proof; undefined without a code
 * @throws AccessDenied for a wrong code, a device that is not the caller's, or half of the two
 */
export async function showMfaCode(
  { SerialNumber: serial, TokenCode: code }: MfaInput,
  ctx: Context,
): Promise<number | undefined> {
  const known = shownAt.get(ctx);
  if (known !== undefined || (serial === undefined && code === undefined)) return known;
  if (serial === undefined || code === undefined) {
    throw commonFault(
      'AccessDenied',
      'MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.',
    );
  }
  if (!(await ctx.identity.verifyMfa(ctx.caller, serial, code))) {
    throw commonFault('AccessDenied', 'MultiFactorAuthentication failed with invalid MFA one time pass code.');
  }
  const now = ctx.now().getTime();
  shownAt.set(ctx, now);
  return now;
}

/** The keys by which a trust policy sees a code that comes with the call itself. */
export async function mfaKeys(input: MfaInput, ctx: Context): Promise<ConditionKeys> {
  const at = await showMfaCode(input, ctx);
  return at === undefined ? {} : { 'aws:MultiFactorAuthPresent': 'true', 'aws:MultiFactorAuthAge': '0' };
}
