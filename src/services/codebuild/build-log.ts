import type * as logsSdk from '@aws-sdk/client-cloudwatch-logs';
import type { Context } from '../../kernel/context.ts';
import { type Fault, isFault } from '../../kernel/fault.ts';
import type { BuildSettings } from './build-settings.ts';
import { LogWriter } from './log-writer.ts';
import type { Masker } from './masking.ts';
import type { PhaseContext } from './phases.ts';

/** Names of a build's log. Undefined when its project wants none. */
export function logNames(
  settings: BuildSettings,
  project: string,
  uuid: string,
): { groupName: string; streamName: string } | undefined {
  const config = settings.logsConfig?.cloudWatchLogs;
  if (config?.status === 'DISABLED') return undefined;
  return {
    groupName: config?.groupName ?? `/aws/codebuild/${project}`,
    streamName: config?.streamName === undefined ? uuid : `${config.streamName}/${uuid}`,
  };
}

/** Makes the stream of a build's log, and its group where there is none, as the service role. */
export async function openLog(role: Context, logGroupName: string, logStreamName: string): Promise<void> {
  const makeStream = () =>
    role.call<typeof logsSdk, 'CreateLogStream'>('cloudwatch-logs', 'CreateLogStream', { logGroupName, logStreamName });
  try {
    await makeStream();
  } catch (error) {
    if (isFault(error, 'ResourceAlreadyExistsException')) return;
    if (!isFault(error, 'ResourceNotFoundException')) throw error;
    await makeGroup(role, logGroupName);
    await makeStream();
  }
}

async function makeGroup(role: Context, logGroupName: string): Promise<void> {
  try {
    await role.call<typeof logsSdk, 'CreateLogGroup'>('cloudwatch-logs', 'CreateLogGroup', { logGroupName });
  } catch (error) {
    // Another build of the project was quicker.
    if (!isFault(error, 'ResourceAlreadyExistsException')) throw error;
  }
}

/** Lines that CodeBuild itself writes, and the bytes of the commands. */
export class BuildLog {
  readonly #writer: LogWriter;
  readonly #now: () => Date;

  /** @param names undefined drops everything */
  constructor(role: Context, names: { groupName: string; streamName: string } | undefined, masker: Masker) {
    this.#now = () => role.now();
    this.#writer = new LogWriter(
      async (logEvents) => {
        if (names === undefined) return;
        await role.call<typeof logsSdk, 'PutLogEvents'>('cloudwatch-logs', 'PutLogEvents', {
          logGroupName: names.groupName,
          logStreamName: names.streamName,
          logEvents,
        });
      },
      { clock: role.clock, masker },
    );
  }

  set onFailure(listener: (error: Error) => void) {
    this.#writer.onFailure = listener;
  }

  bytes(chunk: Uint8Array): void | Promise<void> {
    return this.#writer.bytes(chunk);
  }

  /** `[Container] 2026/11/21 14:26:21.120000 Entering phase BUILD` */
  line(text: string): void {
    void this.#writer.line(`[Container] ${timeText(this.#now())} ${text}`);
  }

  /** The empty line behind what a command printed. */
  gap(): void {
    void this.#writer.line('');
  }

  /** The two lines at the end of a phase. */
  phaseComplete(phase: string, status: string, context?: PhaseContext): void {
    this.line(`Phase complete: ${phase} State: ${status}`);
    // Further lines of a message were printed by the command itself.
    const [message] = (context?.message ?? '').split('\n');
    this.line(`Phase context status code: ${context?.statusCode ?? ''} Message: ${message}`);
  }

  /** @throws what storing threw */
  flush(): Promise<void> {
    return this.#writer.flush();
  }
}

function timeText(date: Date): string {
  return `${date.toISOString().slice(0, 23).replaceAll('-', '/').replace('T', ' ')}000`;
}

/** Why the log of a build cannot be written, in CodeBuild's words. */
export function logFailure(roleArn: string, buildArn: string, error: Fault): PhaseContext {
  return {
    statusCode:
      error.name === 'AccessDenied' || error.name === 'AccessDeniedException' ? 'ACCESS_DENIED' : 'CLIENT_ERROR',
    message:
      `Service role ${roleArn} does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build ` +
      `${buildArn}. Error message: ${error.message}`,
  };
}
