import type { Kernel } from '../runtime.ts';
import type { KernelTables } from '../store/kernel-tables.ts';

/** Records of the trail as they stand, data events among them, which LookupEvents does not show; the newest first. */
export async function recorded(kernel: Kernel, eventName?: string): Promise<{ text: string; name: string }[]> {
  await kernel.audit.flush();
  const rows = await kernel
    .serviceContext('cloudtrail.amazonaws.com')
    .db<KernelTables>()
    .selectFrom('kernel_audit')
    .select(['record', 'event_name'])
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  return rows
    .filter((row) => eventName === undefined || row.event_name === eventName)
    .map((row) => ({ text: row.record, name: row.event_name }));
}
