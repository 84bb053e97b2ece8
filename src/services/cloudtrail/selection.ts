import type * as sdk from '@aws-sdk/client-cloudtrail';
import { namedResource } from './resource-types.ts';
import type { TrailRow } from './tables.ts';

/** What selectors look at of an event. */
export interface SelectableEvent {
  readonly management: boolean;
  readonly readOnly: boolean;
  readonly eventName: string;
  readonly eventSource: string;
  readonly eventType: string;
  readonly userArn: string | undefined;
  /** ARNs. */
  readonly resources: readonly string[];
}

/** Whether a trail's selectors take an event. Pure. */
export function isSelected(trail: Pick<TrailRow, 'selectors' | 'advanced'>, event: SelectableEvent): boolean {
  return trail.advanced === 1
    ? (JSON.parse(trail.selectors) as sdk.AdvancedEventSelector[]).some((one) => takesAdvanced(one, event))
    : (JSON.parse(trail.selectors) as sdk.EventSelector[]).some((one) => takes(one, event));
}

/** Source: CloudTrail API reference, EventSelector. */
function takes(selector: sdk.EventSelector, event: SelectableEvent): boolean {
  const { ReadWriteType: kind = 'All', IncludeManagementEvents: management = true } = selector;
  if ((kind === 'ReadOnly' && !event.readOnly) || (kind === 'WriteOnly' && event.readOnly)) return false;
  if (event.management) {
    return management && !(selector.ExcludeManagementEventSources ?? []).includes(event.eventSource);
  }
  return (selector.DataResources ?? []).some(({ Type: type, Values: values = [] }) =>
    event.resources.some((arn) => namedResource(arn).type === type && values.some((value) => covers(value, arn))),
  );
}

/** `arn:aws:s3` means every object of every bucket; anything else is the beginning of an object's ARN. */
function covers(value: string, arn: string): boolean {
  return arn.startsWith(value);
}

type FieldValues = (event: SelectableEvent) => readonly (string | undefined)[];

/** Fields of advanced selectors. Source: CloudTrail API reference, AdvancedFieldSelector. */
export const FIELDS: Readonly<Record<string, FieldValues>> = {
  eventCategory: (event) => [event.management ? 'Management' : 'Data'],
  readOnly: (event) => [String(event.readOnly)],
  eventName: (event) => [event.eventName],
  eventSource: (event) => [event.eventSource],
  eventType: (event) => [event.eventType],
  'userIdentity.arn': (event) => [event.userArn],
  'resources.type': (event) => event.resources.map((arn) => namedResource(arn).type),
  'resources.ARN': (event) => event.resources,
};

const OPERATORS = {
  Equals: (value: string, operand: string) => value === operand,
  StartsWith: (value: string, operand: string) => value.startsWith(operand),
  EndsWith: (value: string, operand: string) => value.endsWith(operand),
} as const;

/** All fields must hold; within one operator one operand is enough, and `Not...` must hold for all of them. */
function takesAdvanced({ FieldSelectors: fields = [] }: sdk.AdvancedEventSelector, event: SelectableEvent): boolean {
  return fields.every((field) => {
    const values = (FIELDS[field.Field ?? '']?.(event) ?? []).filter((value) => value !== undefined);
    return Object.entries(OPERATORS).every(([name, matches]) => {
      const among = (operands: readonly string[]) =>
        values.some((value) => operands.some((operand) => matches(value, operand)));
      const wanted = field[name as 'Equals'];
      const unwanted = field[`Not${name}` as 'NotEquals'];
      return (wanted === undefined || among(wanted)) && (unwanted === undefined || !among(unwanted));
    });
  });
}
