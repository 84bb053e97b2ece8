import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Executor, type Run, type RunEnd, RunStartError, WorkspacePathError } from '../../executors/executor.ts';
import { LocalWorkspace } from '../../executors/local-workspace.ts';
import { removeFolder } from '../../executors/run-folder.ts';
import type { Context } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { ALNUM } from '../../kernel/ids.ts';
import { ArtifactError } from './artifacts.ts';
import { BuildCredentials, type CredentialTokens, credentialsUrl } from './build-credentials.ts';
import { buildEnvironment } from './build-environment.ts';
import { BuildLog, logFailure, logNames, openLog } from './build-log.ts';
import type { BuildRecord } from './build-record.ts';
import { type Buildspec, parseBuildspec } from './buildspec.ts';
import { GitSourceError } from './git-source.ts';
import { Masker } from './masking.ts';
import type { EndStatus, PhaseContext } from './phases.ts';
import { buildArn, projectArn } from './resources.ts';
import { buildScript } from './script.ts';
import { ScriptOutput } from './script-output.ts';
import { ScriptProgress } from './script-progress.ts';
import { fetchSource, readObject } from './sources.ts';
import { ArchiveError } from './unzip.ts';
import { uploadArtifacts } from './upload.ts';
import { BuildspecError, MAX_YAML_BYTES } from './yaml-reader.ts';

const SERVICE = 'codebuild.amazonaws.com';

export interface BuildTools {
  /** Rejects when there is none; every build then fails by that. */
  executor: Promise<Executor>;
  tokens: CredentialTokens;
  /** Folder for what is on its way in or out. */
  scratch: string;
  /** PATH of the server. */
  searchPath: string;
}

/** A phase that did not succeed, and why. */
class PhaseFailure extends Error {
  readonly context: PhaseContext;

  constructor(statusCode: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.context = { statusCode, message };
  }
}

/** Somebody else's decision that a build ends. */
interface Ending {
  status: EndStatus;
  context: PhaseContext;
}

export const STOPPED: Ending = {
  status: 'STOPPED',
  context: { statusCode: 'BUILD_STOPPED', message: 'Build has been stopped' },
};
const TIMED_OUT: Ending = {
  status: 'TIMED_OUT',
  context: { statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out.' },
};
export const SERVER_STOPPED: Ending = {
  status: 'FAULT',
  context: { statusCode: 'INTERNAL_ERROR', message: 'The server was stopped while the build was running' },
};

/** Runs one build, from its place in the queue to its end. */
export class BuildRun {
  readonly #ctx: Context;
  readonly #record: BuildRecord;
  readonly #tools: BuildTools;
  readonly #abort = new AbortController();
  readonly #masker = new Masker();
  #ending: Ending | undefined;
  #executor: Executor | undefined;
  #run: Run | undefined;
  #log: BuildLog | undefined;
  #cleanUp: () => Promise<void> = async () => undefined;

  /** @param ctx acts as CodeBuild itself, in the build's account and region */
  constructor(ctx: Context, record: BuildRecord, tools: BuildTools) {
    this.#ctx = ctx;
    this.#record = record;
    this.#tools = tools;
    record.onFailure = (error) => this.#endAs({ status: 'FAULT', context: internal(error) });
  }

  get id(): string {
    return this.#record.row.id;
  }

  /** Last part of the id; names everything of this build elsewhere. */
  get #uuid(): string {
    return this.id.slice(this.id.indexOf(':') + 1);
  }

  /** Ends the build early. The first one to ask decides how. */
  end(ending: Ending): void {
    this.#endAs(ending);
  }

  #endAs(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#abort.abort();
    void this.#run?.stop();
  }

  /** Runs it to its end, whatever happens. @throws only when the end cannot be written or its folder not removed */
  async run(): Promise<void> {
    const { clock } = this.#ctx;
    const timer = clock.after(this.#record.settings.timeoutInMinutes * 60_000, () => this.#endAs(TIMED_OUT));
    try {
      await this.#stages();
    } catch (error) {
      this.#fail(error);
    } finally {
      timer.cancel();
    }
    try {
      await this.#finish();
    } finally {
      // Nobody waits for a large workspace to be removed; if the server dies meanwhile, the next one does it.
      await this.#cleanUp();
    }
  }

  async #stages(): Promise<void> {
    const record = this.#record;
    record.end('SUCCEEDED');
    record.begin('PROVISIONING');
    const executor = await this.#tools.executor;
    this.#executor = executor;
    const role = await this.#assumeRole();
    const scratch = await mkdtemp(join(this.#tools.scratch, 'build-'));
    this.#cleanUp = async () => {
      await executor.discard(this.#uuid);
      await removeFolder(scratch);
    };
    const credentials = new BuildCredentials(
      record.settings.serviceRole,
      () => this.#ctx.credentialsFor(record.settings.serviceRole, this.#roleOptions()),
      () => this.#ctx.now().getTime(),
      this.#masker,
    );
    const token = this.#tools.tokens.issue(this.#ctx, credentials);
    this.#masker.add(token);
    // The source comes while the log is opened; what goes wrong with it belongs to the next phase.
    const fetching = this.#fetchSources(role, credentials, scratch);
    fetching.catch(() => undefined);
    try {
      const log = await this.#openLog(role);
      record.end('SUCCEEDED');
      const { buildspec, sourceFolders } = await this.#download(role, fetching, log, scratch);
      const progress = await this.#execute(buildspec, sourceFolders, log, scratch, token);
      if (progress.reachesUpload) await this.#upload(role, buildspec, sourceFolders, progress, log, scratch);
    } finally {
      this.#tools.tokens.revoke(token);
      this.#abort.abort();
      await Promise.allSettled([fetching]);
    }
  }

  #roleOptions() {
    const { row } = this.#record;
    return {
      service: SERVICE,
      sessionName: `AWSCodeBuild-${this.#uuid}`,
      sourceArn: projectArn(row, row.project),
    };
  }

  async #assumeRole(): Promise<Context> {
    const { serviceRole } = this.#record.settings;
    try {
      return await this.#ctx.as(serviceRole, this.#roleOptions());
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const message = `CodeBuild is not authorized to perform: sts:AssumeRole on ${serviceRole}`;
      throw new PhaseFailure('ACCESS_DENIED', message, error);
    }
  }

  /** Opens the log and writes its first line: a role that may not write it fails the build before anything runs. */
  async #openLog(role: Context): Promise<BuildLog> {
    const { row, settings, result } = this.#record;
    const names = logNames(settings, row.project, this.#uuid);
    try {
      if (names !== undefined) {
        await openLog(role, names.groupName, names.streamName);
        result.logs = names;
      }
      const log = new BuildLog(role, names, this.#masker);
      log.line(this.#executor!.describe({ image: settings.environment.image }));
      if (settings.environment.privilegedMode) log.line('Privileged mode has no effect here');
      await log.flush();
      log.onFailure = (error) => this.#endAs({ status: 'FAILED', context: this.#logContext(error) });
      this.#log = log;
      return log;
    } catch (error) {
      throw new PhaseFailure(this.#logContext(error).statusCode, this.#logContext(error).message, error);
    }
  }

  #logContext(error: unknown): PhaseContext {
    if (!(error instanceof Fault)) return internal(error);
    return logFailure(this.#record.settings.serviceRole, buildArn(this.#record.row, this.id), error);
  }

  /** Brings all sources into the workspace. @returns their folders as the build sees them, by identifier */
  async #fetchSources(
    role: Context,
    credentials: BuildCredentials,
    scratch: string,
  ): Promise<ReadonlyMap<string, string>> {
    const { settings, result } = this.#record;
    const layout = this.#executor!.layout(this.#uuid);
    const sourceFolders = new Map<string, string>();
    const workspace = join(scratch, 'workspace');
    await mkdir(join(workspace, 'tmp'), { recursive: true });
    for (const [at, source] of [settings.source, ...settings.secondarySources].entries()) {
      const id = at === 0 ? '' : source.sourceIdentifier!;
      const name = `src${this.#ctx.ids.string(9, '0123456789')}/src`;
      await mkdir(join(workspace, name), { recursive: true });
      const version =
        at === 0
          ? settings.sourceVersion
          : settings.secondarySourceVersions.find((one) => one.sourceIdentifier === id)?.sourceVersion;
      const resolved = await fetchSource({
        role,
        credentials: () => credentials.get(),
        source,
        version,
        folder: join(workspace, name),
        scratch,
        searchPath: this.#tools.searchPath,
        signal: this.#abort.signal,
      });
      if (at === 0 && resolved !== undefined) result.resolvedSourceVersion = resolved;
      sourceFolders.set(id, `${layout.workspace}/${name}`);
    }
    return sourceFolders;
  }

  async #download(
    role: Context,
    fetching: Promise<ReadonlyMap<string, string>>,
    log: BuildLog,
    scratch: string,
  ): Promise<{ buildspec: Buildspec; sourceFolders: ReadonlyMap<string, string> }> {
    this.#record.begin('DOWNLOAD_SOURCE');
    log.line('Phase is DOWNLOAD_SOURCE');
    const sourceFolders = await fetching;
    const primary = sourceFolders.get('')!;
    log.line(`CODEBUILD_SRC_DIR=${primary}`);
    const { workspace } = this.#executor!.layout(this.#uuid);
    const files = new LocalWorkspace(join(scratch, 'workspace'), workspace);
    const buildspec = parseBuildspec(await this.#readBuildspec(role, files, primary, workspace, log));
    describeBuildspec(buildspec, log);
    this.#throwIfEnding();
    this.#record.end('SUCCEEDED');
    log.phaseComplete('DOWNLOAD_SOURCE', 'SUCCEEDED');
    return { buildspec, sourceFolders };
  }

  async #readBuildspec(role: Context, files: LocalWorkspace, primary: string, root: string, log: BuildLog) {
    const given = this.#record.settings.source.buildspec ?? '';
    if (/^arn:[^:]*:s3:::/.test(given)) {
      log.line(`YAML location is ${given}`);
      return readObject(role, given, MAX_YAML_BYTES);
    }
    // A path has neither line ends nor `key: value`.
    if (/[\n{]|:\s/.test(given)) return given;
    const path = `${primary}/${given === '' ? 'buildspec.yml' : given}`;
    log.line(`YAML location is ${path}`);
    const inWorkspace = path.slice(root.length + 1);
    try {
      const { sizeBytes } = await files.stat(inWorkspace);
      if (sizeBytes > MAX_YAML_BYTES) throw new BuildspecError(`${path} is larger than ${MAX_YAML_BYTES} bytes`);
      return await text(await files.open(inWorkspace));
    } catch (error) {
      if (!(error instanceof WorkspacePathError)) throw error;
      throw new BuildspecError(
        error.reason === 'missing' ? `stat ${path}: no such file or directory` : `${path}: ${error.message}`,
      );
    }
  }

  async #execute(
    buildspec: Buildspec,
    sourceFolders: ReadonlyMap<string, string>,
    log: BuildLog,
    scratch: string,
    token: string,
  ): Promise<ScriptProgress> {
    const { row, settings, result } = this.#record;
    const executor = this.#executor!;
    const layout = executor.layout(this.#uuid);
    const nonce = this.#ctx.ids.string(16, ALNUM);
    const script = buildScript(buildspec, {
      nonce,
      stateFolder: `${layout.workspace}/tmp`,
      sourceFolder: sourceFolders.get('')!,
    });
    const progress = new ScriptProgress(this.#record, log, this.#masker, script, buildspec);
    const output = new ScriptOutput(nonce, progress, () => this.#ctx.now().getTime());
    const environment = buildEnvironment(settings, buildspec, {
      id: row.id,
      arn: buildArn(row, row.id),
      number: row.number,
      region: row.region,
      startedAt: row.created_at,
      resolvedSourceVersion: result.resolvedSourceVersion,
      logStream: result.logs?.streamName ?? this.#uuid,
      sourceFolders,
      endpointUrl: this.#ctx.publicUrl,
      credentialsUrl: credentialsUrl(this.#ctx.publicUrl),
      credentialsToken: token,
    });
    this.#throwIfEnding();
    this.#run = await executor.start(
      {
        id: this.#uuid,
        image: settings.environment.image,
        shell: buildspec.shell,
        script: script.text,
        environment,
        workspaceFolder: join(scratch, 'workspace'),
        limits: { timeoutMs: settings.timeoutInMinutes * 60_000 },
      },
      {
        log: (chunk) => output.log(chunk),
        report: (record) => output.report(record),
        reportsEnded: () => output.reportsEnded(),
      },
    );
    if (this.#ending !== undefined) void this.#run.stop();
    const end = await this.#run.ended;
    await output.finish();
    if (progress.exportedVariables.length > 0) result.exportedVariables = progress.exportedVariables;
    this.#throwIfEnding();
    // A script that went on after its first shell was killed may say that it is done; its end says otherwise.
    const isWhole = progress.isDone && end.kind === 'exited' && end.code === 0;
    if (!isWhole) throw new PhaseFailure('COMMAND_EXECUTION_ERROR', unexpectedEnd(end));
    return progress;
  }

  async #upload(
    role: Context,
    buildspec: Buildspec,
    sourceFolders: ReadonlyMap<string, string>,
    progress: ScriptProgress,
    log: BuildLog,
    scratch: string,
  ): Promise<void> {
    const record = this.#record;
    const { row, settings, result } = record;
    record.begin('UPLOAD_ARTIFACTS');
    const { workspace } = this.#executor!.layout(this.#uuid);
    const { primary, secondary } = await uploadArtifacts({
      role,
      buildArn: buildArn(row, row.id),
      buildUuid: this.#uuid,
      project: row.project,
      settings,
      buildspec,
      expanded: progress.expanded,
      place: {
        files: await this.#run!.files(),
        workspace,
        sourceFolder: sourceFolders.get('')!.slice(workspace.length + 1),
      },
      scratch,
      signal: this.#abort.signal,
      line: (line) => log.line(line),
    });
    if (primary !== undefined) result.artifacts = primary;
    if (secondary.length > 0) result.secondaryArtifacts = secondary;
    this.#throwIfEnding();
    record.end('SUCCEEDED');
    log.phaseComplete('UPLOAD_ARTIFACTS', 'SUCCEEDED');
  }

  #throwIfEnding(): void {
    if (this.#ending !== undefined) throw new PhaseFailure('', 'the build is ended');
  }

  /** Ends the phase that lasts, as a failure of its own or because somebody ended the build. */
  #fail(error: unknown): void {
    const record = this.#record;
    const ending = this.#ending ?? { status: statusOf(error), context: contextOf(error) };
    if (!(error instanceof Error) || (ending.status === 'FAULT' && this.#ending === undefined)) {
      this.#ctx.log.error({ err: error, build: this.id }, 'a build failed for a reason of the server');
    }
    // Between two phases: what was about to begin did not.
    if (record.open === undefined) {
      record.begin(record.phases.some(({ type }) => type === 'INSTALL') ? 'UPLOAD_ARTIFACTS' : 'INSTALL');
    }
    const phase = record.open!.type;
    record.end(ending.status, ending.context);
    this.#ending ??= ending;
    this.#log?.phaseComplete(phase, ending.status, ending.context);
  }

  async #finish(): Promise<void> {
    const record = this.#record;
    const wasEnded = this.#ending !== undefined && this.#ending.status !== 'FAILED';
    if (!wasEnded) record.begin('FINALIZING');
    let context: PhaseContext | undefined;
    try {
      await this.#log?.flush();
    } catch (error) {
      context = this.#logContext(error);
    }
    if (!wasEnded) record.end(context === undefined ? 'SUCCEEDED' : 'FAILED', context);
    const failed = record.failure === undefined ? 'SUCCEEDED' : 'FAILED';
    await record.complete(wasEnded ? this.#ending!.status : failed);
  }
}

function describeBuildspec(buildspec: Buildspec, log: BuildLog): void {
  const phases = Object.entries(buildspec.phases).filter(([, spec]) => spec.commands.length + spec.finally.length > 0);
  log.line('Processing environment variables');
  for (const note of buildspec.notes) log.line(`Buildspec: ${note}`);
  log.line(`Phases found in YAML: ${phases.length}`);
  for (const [name, { commands }] of phases) log.line(` ${name.toUpperCase()}: ${commands.length} commands`);
}

function unexpectedEnd(end: RunEnd): string {
  if (end.kind === 'exited') return `The shell of the build ended unexpectedly. Reason: exit status ${end.code}`;
  if (end.kind === 'killed') return `The shell of the build ended unexpectedly. Reason: signal ${end.signal}`;
  return `The build was lost: ${end.kind === 'lost' ? end.reason : end.kind}`;
}

/** A mistake of the build or its project fails it; anything else is the server's fault. */
function statusOf(error: unknown): EndStatus {
  return contextOf(error).statusCode === 'INTERNAL_ERROR' ? 'FAULT' : 'FAILED';
}

function contextOf(error: unknown): PhaseContext {
  if (error instanceof PhaseFailure) return error.context;
  if (error instanceof BuildspecError) return { statusCode: 'YAML_FILE_ERROR', message: error.message };
  if (error instanceof Fault) return { statusCode: 'CLIENT_ERROR', message: `${error.name}: ${error.message}` };
  if (error instanceof RunStartError) {
    return { statusCode: 'CLIENT_ERROR', message: `The build could not be started: ${error.message}` };
  }
  if (error instanceof ArtifactError || error instanceof ArchiveError || error instanceof GitSourceError) {
    return { statusCode: 'CLIENT_ERROR', message: error.message };
  }
  return internal(error);
}

function internal(error: unknown): PhaseContext {
  const message = error instanceof Error ? error.message : String(error);
  return { statusCode: 'INTERNAL_ERROR', message: `CodeBuild is experiencing an issue: ${message}` };
}
