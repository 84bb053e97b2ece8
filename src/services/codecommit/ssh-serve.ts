import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ProtocolVersion } from '../../git/advertisement.ts';
import { serveDuplex } from '../../git/duplex.ts';
import { isGitFailure, printable } from '../../git/failure.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { Context, Origin, RecordedEvent } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import { gitFault, openRepository } from './git-cache.ts';
import { GitPushes } from './git-pushes.ts';
import { gitRecord } from './git-records.ts';
import { likelyRegion, repositoriesOfName } from './named-repositories.ts';
import { repositoryResource } from './resources.ts';
import type { SshCommand } from './ssh-command.ts';

const FAILED = 128;

/** A channel and what is known of the other end. */
export interface SshExchange {
  version: ProtocolVersion;
  input: Readable;
  output: Writable;
  /** Writes a line to the error stream. */
  tell(text: string): void;
  origin: Origin;
}

/**
 * Runs one of git's commands for a user who was authenticated: authorised and recorded like a request over HTTP.
 * @returns the exit status; refusals stand on the error stream. Never rejects.
 */
export async function serveSshCommand(
  service: Context,
  caller: Caller,
  { service: program, repositoryName: name, path }: SshCommand,
  { version, input, output, origin, ...exchange }: SshExchange,
): Promise<number> {
  const tell = (text: string): number => {
    exchange.tell(printable(text));
    return FAILED;
  };
  // In git's own words; AWS's documentation has none.
  const tellMissing = () => tell(`fatal: repository '${path}' not found`);
  if (name === undefined) return tellMissing();
  try {
    const named = await repositoriesOfName(service, caller.account, name);
    const region = likelyRegion(service, named);
    const repository = named.find((one) => one.region === region);
    const ctx = service.fromElsewhere(caller, region, origin);
    const isPush = program === 'git-receive-pack';
    const resource = repositoryResource(ctx, name);
    const record = (more: Partial<RecordedEvent> = {}) =>
      gitRecord(isPush, { name, repository, arn: resource.arn }, true, more, 'SSH');
    try {
      await ctx.authorize(isPush ? 'codecommit:GitPush' : 'codecommit:GitPull', resource);
    } catch (error) {
      if (!isFault(error, 'AccessDenied')) throw error;
      ctx.record(record({ errorCode: 'AccessDenied', errorMessage: error.message }));
      return tell(error.message);
    }
    if (repository === undefined) {
      const errorMessage = `${name} does not exist`;
      ctx.record(record({ errorCode: 'RepositoryDoesNotExistException', errorMessage }));
      return tellMissing();
    }
    const pushes = isPush ? new GitPushes(ctx, repository, resource, record) : null;
    if (pushes === null) ctx.record(record());
    try {
      await serveDuplex(
        await openRepository(ctx, repository.id),
        { service: program, version, input, output, signal: origin.signal },
        { push: pushes, report: (error) => report(ctx, repository.id, error) },
      );
    } catch (error) {
      throw gitFault(error, repository.name);
    }
    pushes?.finish();
    output.end();
    await finished(output, { readable: false }).catch(() => undefined);
    return 0;
  } catch (error) {
    if (isFault(error)) return tell(error.message);
    if (isGitFailure(error) && error.reason !== 'process-failed') return tell(error.message);
    if (!origin.signal.aborted) report(service, name, error);
    return tell('internal error');
  }
}

function report(ctx: Context, repositoryId: string, error: unknown): void {
  ctx.log.error({ err: error, requestId: ctx.requestId, repositoryId }, 'a git command over SSH failed');
}
