import type { Provider } from './provider.ts';

/** Waits for a person: PutApprovalResult ends it, or its timeout. */
export const manualApproval: Provider = {
  // In PARALLEL mode GetPipelineState shows no token; there the external id of the action execution serves as one.
  start: async (job) => ({ status: 'Running', externalId: job.externalId }),
};
