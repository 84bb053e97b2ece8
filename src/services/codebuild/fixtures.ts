import type { TestContext } from 'node:test';
import type { Build, CreateProjectCommandInput, StartBuildCommandInput } from '@aws-sdk/client-codebuild';
import { type Clients, type HarnessOptions, startServer, type TestServer } from '../../../test/harness.ts';
import type { RunSpec } from '../../executors/executor.ts';
import type { FakeStep } from '../../executors/fake.ts';
import type { BusEvent } from '../../kernel/context.ts';
import type { Service } from '../../kernel/service.ts';
import type { OpenExecutor } from './build-queue.ts';
import { codebuild, codebuildWith } from './service.ts';

export const ROLE = 'arn:aws:iam::123456789012:role/build';
export const TRUST = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'codebuild.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};
export const ALLOW_ALL = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };

/** A server with a service role that may do everything, and what tests of builds need to look at. */
export interface BuildServer {
  server: TestServer;
  clients: Clients;
  /** Events of CodeBuild, in order. */
  events: BusEvent[];
  /** Makes a project without a source. */
  project(name: string, buildspec: string, more?: Partial<CreateProjectCommandInput>): Promise<void>;
  /** Starts a build and waits for its end. */
  build(projectName: string, more?: Partial<StartBuildCommandInput>): Promise<Build>;
  /** Waits for the end of a build. */
  ended(id: string): Promise<Build>;
  log(build: Build): Promise<string>;
}

/**
 * @param services all of them; this folder may not import the list
 * @param openExecutor in place of the real one
 */
export async function startBuildServer(
  t: TestContext,
  services: readonly Service[],
  openExecutor?: OpenExecutor,
  options: HarnessOptions = {},
): Promise<BuildServer> {
  const events: BusEvent[] = [];
  const listeners = new Set<() => void>();
  const tested = openExecutor === undefined ? codebuild : codebuildWith(openExecutor);
  const watched: Service = {
    ...tested,
    consumers: [
      {
        name: 'test.builds',
        async handle(event) {
          if (event.source !== 'aws.codebuild') return;
          events.push(event);
          for (const listener of [...listeners]) listener();
        },
      },
    ],
  };
  const all = services.map((service) => (service.name === 'codebuild' ? watched : service));
  const server = await startServer(t, { ...options, services: all });
  const clients = server.root_;
  await clients.iam.createRole({ RoleName: 'build', AssumeRolePolicyDocument: JSON.stringify(TRUST) });
  await setRolePolicy(clients, ALLOW_ALL);
  const ended = async (id: string): Promise<Build> => {
    const isOver = () =>
      events.some(
        ({ detailType, detail }) =>
          detailType === 'CodeBuild Build State Change' &&
          detail['build-status'] !== 'IN_PROGRESS' &&
          String(detail['build-id']).endsWith(`build/${id}`),
      );
    if (!isOver()) {
      await new Promise<void>((resolve) => {
        const listener = () => {
          if (!isOver()) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      });
    }
    const { builds = [] } = await server.root_.codebuild.batchGetBuilds({ ids: [id] });
    return builds[0]!;
  };
  return {
    server,
    clients,
    events,
    ended,
    async project(name, buildspec, more = {}) {
      await server.root_.codebuild.createProject({
        name,
        serviceRole: ROLE,
        source: { type: 'NO_SOURCE', buildspec },
        artifacts: { type: 'NO_ARTIFACTS' },
        environment: {
          type: 'LINUX_CONTAINER',
          computeType: 'BUILD_GENERAL1_SMALL',
          image: 'aws/codebuild/standard:7.0',
        },
        ...more,
      });
    },
    async build(projectName, more = {}) {
      const { build } = await server.root_.codebuild.startBuild({ projectName, ...more });
      return ended(build!.id!);
    },
    async log(build) {
      const { groupName, streamName } = build.logs!;
      let text = '';
      let token: string | undefined;
      for (;;) {
        const page = await server.root_.logs.getLogEvents({
          logGroupName: groupName,
          logStreamName: streamName!,
          startFromHead: true,
          ...(token === undefined ? {} : { nextToken: token }),
        });
        text += (page.events ?? []).map(({ message }) => message).join('');
        if (page.nextForwardToken === token) return text;
        token = page.nextForwardToken;
      }
    },
  };
}

/** Gives the service role of {@link startBuildServer} another policy. */
export async function setRolePolicy({ iam }: Clients, policy: object): Promise<void> {
  await iam.putRolePolicy({ RoleName: 'build', PolicyName: 'inline', PolicyDocument: JSON.stringify(policy) });
}

/** A buildspec of one phase. */
export function buildCommands(...commands: string[]): string {
  return `version: 0.2\nphases:\n  build:\n    commands:\n${commands.map((c) => `      - ${JSON.stringify(c)}\n`).join('')}`;
}

export function phaseOf(build: Build, type: string) {
  return build.phases?.find(({ phaseType }) => phaseType === type);
}

/** Steps of a fake run that says, as a script does, what it has come to: each report with its mark in the log. */
export function reportSteps(spec: RunSpec, ...reports: string[]): FakeStep[] {
  const nonce = /^sw_nonce=(\w+)/.exec(spec.script)?.[1];
  return reports.map((report, at) => ({ report: `${at + 1} ${report}`, log: `\x1e${nonce}:${at + 1}\x1e` }));
}
