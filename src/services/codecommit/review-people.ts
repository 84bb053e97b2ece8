import { parseArn } from '../../kernel/arn.ts';
import { type FaultClass, fault } from '../../kernel/fault.ts';

/**
 * Holds an ARN against the forms that people and sessions have.
 * @param absent thrown for one of another account, which nobody here can be.
 */
export function requireOwnArn(text: string, account: string, invalid: FaultClass, absent?: FaultClass): void {
  const parsed = parseArn(text);
  const isPerson =
    parsed !== undefined &&
    ((parsed.service === 'iam' && /^(root$|user\/)/.test(parsed.resource)) ||
      (parsed.service === 'sts' && /^(assumed-role|federated-user)\/./.test(parsed.resource)));
  if (!isPerson || !/^\d{12}$/.test(parsed.account)) {
    throw fault(invalid, `${text.slice(0, 200)} is not the ARN of a user or a session`);
  }
  if (absent !== undefined && parsed.account !== account) {
    throw fault(absent, `${text.slice(0, 200)} does not exist in the account`);
  }
}
