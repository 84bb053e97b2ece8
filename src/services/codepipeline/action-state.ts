import type { ActionState } from './decide.ts';
import type { ActionRow } from './tables.ts';

/** A run as the engine sees it. */
export function actionState(row: ActionRow): ActionState {
  return {
    id: row.id,
    name: row.action_name,
    status: row.status as ActionState['status'],
    isApproval: row.category === 'Approval',
    deadline: row.deadline,
  };
}
