import type { EventDraft, RecordedEvent } from '../../kernel/context.ts';
import type { KeyTable } from './tables.ts';

/*
 * Events of keys. Source: KMS Developer Guide, "Monitor KMS keys with Amazon EventBridge" and the CloudTrail records
 * of what KMS does by itself (RotateKey, DeleteKey, DeleteExpiredKeyMaterial).
 */

function event(row: KeyTable, detailType: string, detail: Record<string, unknown>): EventDraft {
  return {
    source: 'aws.kms',
    detailType,
    account: row.account,
    region: row.region,
    resources: [row.arn],
    detail: { 'key-id': row.id, ...detail },
  };
}

export function keyDeleted(row: KeyTable): EventDraft {
  return event(row, 'KMS CMK Deletion', {});
}

export function keyRotated(row: KeyTable, type: 'AUTOMATIC' | 'ON_DEMAND', materialId: string): EventDraft {
  return event(row, 'KMS CMK Rotation', {
    'key-origin': row.origin,
    'rotation-type': type,
    'previous-key-material-id': row.current_material,
    'current-key-material-id': materialId,
  });
}

export function materialExpired(row: KeyTable, materialId: string): EventDraft {
  return event(row, 'KMS Imported Key Material Expiration', { 'key-material-id': materialId });
}

/** The record of what KMS does to a key by itself. */
export function serviceRecord(row: KeyTable, eventName: string, detail: Record<string, unknown> = {}): RecordedEvent {
  return {
    eventSource: 'kms.amazonaws.com',
    eventName,
    eventType: 'AwsServiceEvent',
    readOnly: false,
    resources: [row.arn],
    additionalEventData: { keyId: row.id, ...detail },
  };
}
