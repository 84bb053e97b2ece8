import type * as logs from '@aws-sdk/client-cloudwatch-logs';
import type * as codepipeline from '@aws-sdk/client-codepipeline';
import type { Target } from '@aws-sdk/client-eventbridge';
import { parseArn } from '../../kernel/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import { commonFault } from '../../kernel/wire/errors.ts';
import { bucket } from './bucket-target.ts';
import { SERVICE } from './resources.ts';

/** One event for one target. */
export interface Invocation {
  readonly target: Target;
  /** What the target receives, after its input settings. */
  readonly input: string;
  readonly eventId: string;
  /** What the delivery is about: one of the kind's `subjects`, else the event's id. */
  readonly subject: string;
  /** Epoch milliseconds. */
  readonly eventTime: number;
  readonly ruleArn: string;
  readonly ruleName: string;
}

/** A kind of resource that events can be delivered to. */
export interface TargetKind {
  /** Whether a role must be given, as which the target is invoked. */
  readonly needsRole: boolean;
  /** False where the target is given no text, so that its settings would be lost silently. */
  readonly takesInput: boolean;
  /**
   * Things that the event is about, for a kind that brings each of them up to date rather than hand events over: events
   * that come while a delivery waits or runs are one further delivery.
   */
  subjects?(event: Readonly<Record<string, unknown>>): string[];
  /** Hands the event over; at least once, with the event's id as the key of idempotency. @throws Fault */
  invoke(invocation: Invocation, ctx: Context): Promise<void>;
}

/** The kind of a target by its ARN, `undefined` where this server has none such. */
export function targetKindOf(targetArn: string): TargetKind | undefined {
  const arn = parseArn(targetArn);
  if (arn?.service === 'codepipeline' && !arn.resource.includes(':')) return pipeline;
  if (arn?.service === 'logs' && arn.resource.startsWith('log-group:')) return logGroup;
  if (arn?.service === 's3' && arn.account === '' && arn.region === '') return bucket;
  return undefined;
}

/** What an input transformer may override at the start of a pipeline. */
type PipelineInput = Pick<codepipeline.StartPipelineExecutionInput, 'variables' | 'sourceRevisions'>;

/** Starts the pipeline as the target's role: the rule's owner decides by that role what the rule may do. */
const pipeline: TargetKind = {
  needsRole: true,
  takesInput: true,
  async invoke({ target, input, eventId, ruleArn, ruleName }, ctx) {
    const name = parseArn(target.Arn!)!.resource;
    // The session carries the rule's name, so the execution can tell which rule started it.
    const role = await ctx.as(target.RoleArn!, { service: SERVICE, sessionName: ruleName, sourceArn: ruleArn });
    await role.call<typeof codepipeline, 'StartPipelineExecution'>('codepipeline', 'StartPipelineExecution', {
      name,
      clientRequestToken: eventId,
      ...overridesOf(target, input),
    });
  },
};

/** Only a transformed or constant input speaks to the pipeline; the event itself does not. */
function overridesOf(target: Target, input: string): PipelineInput {
  if (target.Input === undefined && target.InputTransformer === undefined) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(input);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw commonFault('ValidationError', `The input of target ${target.Id} is not JSON: ${error.message}`);
  }
  const { variables, sourceRevisions } = (parsed ?? {}) as PipelineInput;
  return {
    ...(variables === undefined ? {} : { variables }),
    ...(sourceRevisions === undefined ? {} : { sourceRevisions }),
  };
}

/**
 * Writes the event as a line of the log group, in a stream of its own, as EventBridge does. It works as the target's
 * role, because log groups have no policy here by which they could allow EventBridge itself.
 */
const logGroup: TargetKind = {
  needsRole: true,
  takesInput: true,
  async invoke({ target, input, eventId, eventTime, ruleArn, ruleName }, ctx) {
    const logGroupName = parseArn(target.Arn!)!.resource.slice('log-group:'.length).replace(/:\*$/, '');
    const logStreamName = eventId;
    const role = await ctx.as(target.RoleArn!, { service: SERVICE, sessionName: ruleName, sourceArn: ruleArn });
    try {
      await role.call<typeof logs, 'CreateLogStream'>('cloudwatch-logs', 'CreateLogStream', {
        logGroupName,
        logStreamName,
      });
    } catch (error) {
      // An earlier try made it.
      if (!isFault(error, 'ResourceAlreadyExistsException')) throw error;
    }
    await role.call<typeof logs, 'PutLogEvents'>('cloudwatch-logs', 'PutLogEvents', {
      logGroupName,
      logStreamName,
      logEvents: [{ timestamp: eventTime, message: input }],
    });
  },
};
