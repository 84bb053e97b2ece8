import type * as sdk from '@aws-sdk/client-eventbridge';
import type { Context, EventDraft } from '../../kernel/context.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { compileEventPattern, matchesEvent } from './pattern.ts';
import { busResource } from './resources.ts';
import { requireDefaultBus } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** All entries of a request together, in bytes as AWS counts them. */
const MAX_BYTES = 256 * 1024;
const TIME_BYTES = 14;
/** Deeper JSON than any event has; it would only serve to exhaust the stack of whoever walks it. */
const MAX_DEPTH = 200;
const MAX_DETAIL_TYPE = 128;

/** Takes events of the caller's own applications onto the bus; all that are well-formed, together. */
export const PutEvents: Op<'PutEvents'> = {
  resource: (_, ctx) => busResource(ctx),
  conditions: (input) => ({
    'events:source': input.Entries.flatMap(({ Source }) => Source ?? []),
    'events:detail-type': input.Entries.flatMap(({ DetailType }) => DetailType ?? []),
  }),
  content: ['Detail'],
  async handle(input, ctx) {
    if (input.EndpointId !== undefined) {
      throw commonFault('ValidationError', 'Global endpoints are not implemented by Slipway.');
    }
    for (const { EventBusName: bus } of input.Entries) requireDefaultBus(bus);
    if (input.Entries.reduce((sum, entry) => sum + entryBytes(entry), 0) > MAX_BYTES) {
      throw commonFault('ValidationError', 'Total size of the entries in the request is over the limit.');
    }
    const results = input.Entries.map((entry) => readEntry(entry, ctx));
    const drafts = results.flatMap((result) => ('draft' in result ? result.draft : []));
    if (drafts.length > 0) {
      await ctx.tx(async (tx) => {
        for (const draft of drafts) await tx.emit(draft);
      });
    }
    return {
      FailedEntryCount: results.length - drafts.length,
      Entries: results.map((result) => ('draft' in result ? { EventId: result.draft.id! } : result)),
    };
  },
};

/** @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html */
function entryBytes(entry: sdk.PutEventsRequestEntry): number {
  const texts = [entry.Source, entry.DetailType, entry.Detail, ...(entry.Resources ?? [])];
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0);
  return bytes + (entry.Time === undefined ? 0 : TIME_BYTES);
}

type Refusal = { ErrorCode: string; ErrorMessage: string };

function readEntry(entry: sdk.PutEventsRequestEntry, ctx: Context): { draft: EventDraft } | Refusal {
  for (const name of ['Source', 'DetailType', 'Detail'] as const) {
    if (!entry[name]) return invalidArgument(`Parameter ${name} is not valid. Reason: ${name} is a required argument.`);
  }
  // The bus trusts these sources: their events are written by the services themselves, in the transaction of the change.
  if (/^(aws|slipway)\./i.test(entry.Source!)) {
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' };
  }
  if (entry.DetailType!.length > MAX_DETAIL_TYPE) {
    return invalidArgument(
      `Parameter DetailType is not valid. Reason: it is longer than ${MAX_DETAIL_TYPE} characters.`,
    );
  }
  const detail = readObject(entry.Detail!);
  if (detail === undefined) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
  const draft: EventDraft = {
    id: ctx.ids.uuid(),
    source: entry.Source!,
    detailType: entry.DetailType!,
    resources: entry.Resources ?? [],
    detail,
    ...(entry.Time === undefined ? {} : { time: entry.Time }),
  };
  return { draft };
}

function invalidArgument(message: string): Refusal {
  return { ErrorCode: 'InvalidArgument', ErrorMessage: message };
}

/** The JSON object of that text, `undefined` where it is none or nested beyond reason. */
function readObject(text: string): Record<string, unknown> | undefined {
  if (nesting(text) > MAX_DEPTH) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** Depth of the brackets outside strings, counted without building anything. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (const [token] of text.matchAll(/\\.|["[{\]}]/gs)) {
    if (token === '"') isInString = !isInString;
    else if (isInString) continue;
    else if (token === '{' || token === '[') deepest = Math.max(deepest, ++depth);
    else if (token === '}' || token === ']') depth -= 1;
  }
  return deepest;
}

const REQUIRED = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type'];

/** Says whether a pattern matches an event, without a rule. */
export const TestEventPattern: Op<'TestEventPattern'> = {
  resource: () => '*',
  readOnly: true,
  content: ['Event'],
  async handle(input) {
    const pattern = compileEventPattern(input.EventPattern);
    const event = readObject(input.Event);
    if (event === undefined || REQUIRED.some((name) => !Object.hasOwn(event, name))) {
      throw commonFault('ValidationError', 'Parameter Event is not valid.');
    }
    return { Result: matchesEvent(pattern, event) };
  },
};
