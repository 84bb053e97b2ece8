import type { EventDraft } from '../../kernel/context.ts';
import type { BuildSettings } from './build-settings.ts';
import type { BuildResult } from './build-store.ts';
import { durationInSeconds, type PhaseContext, type PhaseRecord } from './phases.ts';
import { buildArn } from './resources.ts';

/** What events tell of a build. */
export interface BuildNews {
  account: string;
  region: string;
  id: string;
  project: string;
  status: string;
  createdAt: number;
  settings: BuildSettings;
  phases: readonly PhaseRecord[];
  result: BuildResult;
}

/**
 * `CodeBuild Build State Change`: a build has begun, or is over.
 * @see https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
 */
export function buildStateChange(news: BuildNews): EventDraft {
  const current = news.phases.at(-1)!;
  return {
    ...envelope(news),
    detailType: 'CodeBuild Build State Change',
    detail: {
      'build-status': news.status,
      'project-name': news.project,
      'build-id': buildArn(news, news.id),
      'additional-information': additionalInformation(news),
      'current-phase': current.type,
      'current-phase-context': contextList(current.context),
      version: '1',
    },
  };
}

/** `CodeBuild Build Phase Change`: a phase is over. */
export function buildPhaseChange(news: BuildNews, phase: PhaseRecord): EventDraft {
  return {
    ...envelope(news),
    detailType: 'CodeBuild Build Phase Change',
    detail: {
      'completed-phase': phase.type,
      'completed-phase-status': phase.status,
      'project-name': news.project,
      'build-id': buildArn(news, news.id),
      'completed-phase-context': contextList(phase.context),
      'additional-information': additionalInformation(news),
      'completed-phase-duration-seconds': durationInSeconds(phase),
      'completed-phase-start': dateText(phase.startedAt),
      'completed-phase-end': dateText(phase.endedAt ?? phase.startedAt),
      version: '1',
    },
  };
}

function envelope({ account, region, id }: BuildNews) {
  return { source: 'aws.codebuild', account, region, resources: [buildArn({ account, region }, id)] };
}

function additionalInformation(news: BuildNews): Record<string, unknown> {
  const { settings, result } = news;
  const { environment, source } = settings;
  return {
    artifact: {
      ...(result.artifacts?.md5sum === undefined ? {} : { md5sum: result.artifacts.md5sum }),
      ...(result.artifacts?.sha256sum === undefined ? {} : { sha256sum: result.artifacts.sha256sum }),
      location: result.artifacts?.location ?? '',
    },
    environment: {
      image: environment.image,
      'privileged-mode': environment.privilegedMode ?? false,
      'compute-type': environment.computeType,
      type: environment.type,
      'environment-variables': environment.environmentVariables ?? [],
    },
    'timeout-in-minutes': settings.timeoutInMinutes,
    'queued-timeout-in-minutes': settings.queuedTimeoutInMinutes,
    'build-complete': news.status !== 'IN_PROGRESS',
    initiator: settings.initiator,
    'build-start-time': dateText(news.createdAt),
    source: { location: source.location ?? '', type: source.type },
    ...(settings.sourceVersion === undefined ? {} : { 'source-version': settings.sourceVersion }),
    ...(result.logs === undefined
      ? {}
      : { logs: { 'group-name': result.logs.groupName, 'stream-name': result.logs.streamName } }),
    phases: news.phases.map(phaseDetail),
  };
}

function phaseDetail(phase: PhaseRecord): Record<string, unknown> {
  if (phase.status === undefined) return { 'start-time': dateText(phase.startedAt), 'phase-type': phase.type };
  return {
    'phase-context': [contextText(phase.context)],
    'start-time': dateText(phase.startedAt),
    'end-time': dateText(phase.endedAt ?? phase.startedAt),
    'duration-in-seconds': durationInSeconds(phase),
    'phase-type': phase.type,
    'phase-status': phase.status,
  };
}

function contextText(context: PhaseContext | undefined): string {
  return `${context?.statusCode ?? ''}: ${context?.message ?? ''}`;
}

function contextList(context: PhaseContext | undefined): string {
  return `[${contextText(context)}]`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Sep 1, 2017 4:12:29 PM`, in UTC. */
export function dateText(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const hour = date.getUTCHours();
  const day = `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}, ${date.getUTCFullYear()}`;
  const time = `${hour % 12 === 0 ? 12 : hour % 12}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `${day} ${time} ${hour < 12 ? 'AM' : 'PM'}`;
}
