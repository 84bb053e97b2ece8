import type { Repository } from '../../git/repository.ts';
import { gitEndpointOf, serveGit } from '../../git/smart-http.ts';
import type { Context, RecordedEvent } from '../../kernel/context.ts';
import { isFault } from '../../kernel/fault.ts';
import type { ResourceRef, Route } from '../../kernel/service.ts';
import type { Exchange, HttpRequest } from '../../kernel/wire/http.ts';
import { gitFault, openRepository } from './git-cache.ts';
import { LFS, refuseLfs, serveLfs } from './git-lfs.ts';
import { identifyGitUser, readBasic, whyUnknown } from './git-passwords.ts';
import { GitPushes } from './git-pushes.ts';
import { gitRecord } from './git-records.ts';
import { likelyRegion, repositoriesOfName } from './named-repositories.ts';
import { repositoryResource } from './resources.ts';
import type { RepositoryRow } from './tables.ts';

const ROOT = '/v1/repos/';
const CHALLENGE = { 'www-authenticate': 'Basic realm="Slipway CodeCommit", charset="UTF-8"' };

/** What a request to the git door asks for. */
interface Target {
  /** Path of the repository as it stands in the URL: what a signed password was made for. */
  path: string;
  /** Name of the repository; it may not be one. */
  name: string;
  /** What follows the repository. */
  rest: string;
}

/**
 * Git over HTTP (gitprotocol-http) at `/v1/repos/NAME`. Every request carries a password; nothing is anonymous, and
 * nothing is looked at, let alone started, before the caller is known and allowed.
 */
export const gitHttp: Route = {
  name: 'codecommit.git',
  matches: ({ path }) => path.startsWith(ROOT),
  async handle(exchange) {
    const target = targetOf(exchange.request.path);
    const visitor = await authenticate(exchange, target);
    const isLfs = target.rest.startsWith(LFS);
    if ('status' in visitor) {
      if (isLfs && visitor.text !== undefined) refuseLfs(exchange, visitor.text);
      else refuse(exchange, visitor.status, visitor.text);
    } else if (isLfs) {
      await serveLfs(exchange, { ...visitor, name: target.name, rest: target.rest.slice(LFS.length) });
    } else await serve(exchange, visitor, target);
  },
};

function targetOf(path: string): Target {
  const slash = path.indexOf('/', ROOT.length);
  const end = slash < 0 ? path.length : slash;
  // Some tools (Go's) cannot do without the suffix; no repository's name has it.
  return { path: path.slice(0, end), name: path.slice(ROOT.length, end).replace(/\.git$/, ''), rest: path.slice(end) };
}

/** A known caller, in the region of the repository that is meant, and that repository if it exists. */
interface Visitor {
  ctx: Context;
  repository: RepositoryRow | undefined;
}

interface Refusal {
  status: number;
  /** Where a password was sent: what is wrong with it. */
  text?: string;
}

/** Answers who it is, or what to refuse with. */
async function authenticate({ request, ctx }: Exchange, target: Target): Promise<Visitor | Refusal> {
  const given = readBasic(request.headers.authorization);
  if (given === undefined) return { status: 401 };
  const hostRegion = regionOf(request.host);
  const identity = await identifyGitUser(ctx, given, {
    paths: signedPaths(target),
    hosts: () => hostsOf(request, ctx.publicUrl),
    regions: async (account) => {
      const regions = [
        ctx.config.region,
        ...(await repositoriesOfName(ctx, account, target.name)).map((one) => one.region),
      ];
      return [...new Set(hostRegion === undefined ? regions : [hostRegion, ...regions])];
    },
  });
  if (identity.outcome === 'expired') return { status: 403, text: TEXTS[403]! };
  if (identity.outcome === 'unknown') return { status: 401, text: whyUnknown(given) };
  const { caller } = identity;
  const named = await repositoriesOfName(ctx, caller.account, target.name);
  const region = identity.region ?? hostRegion ?? likelyRegion(ctx, named);
  return { ctx: ctx.withCaller(caller, region), repository: named.find((one) => one.region === region) };
}

/** What a password may have been signed for. git-lfs adds `.git` to the address that git was asked for a password for. */
function signedPaths({ path, rest }: Target): string[] {
  const plain = path.replace(/\.git$/, '');
  const paths = plain === path ? [path] : [path, plain];
  return rest.startsWith(LFS) ? paths.flatMap((one) => [one, `${one}/info/lfs`]) : paths;
}

/** Region of a host name in AWS's form, `git-codecommit.eu-west-1.example.com`. */
function regionOf(host: string): string | undefined {
  return /^git-codecommit(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\./.exec(host)?.[1];
}

/** Every form of this server's name that a client may have signed: with its port or without. */
function hostsOf({ headers, host }: HttpRequest, publicUrl: string): string[] {
  const names = [headers.host ?? '', host, new URL(publicUrl).host];
  return [...new Set(names.flatMap((name) => [name, name.replace(/:\d+$/, '')]))];
}

async function serve(exchange: Exchange, { ctx, repository }: Visitor, target: Target): Promise<void> {
  const { request, response } = exchange;
  const endpoint = gitEndpointOf(request.method, target.rest, new URLSearchParams(request.query));
  if (endpoint === null) {
    refuse(exchange, 404);
    return;
  }
  const isPush = endpoint.service === 'git-receive-pack';
  const resource = await repositoryResource(ctx, target.name);
  const record = (more: Partial<RecordedEvent> = {}) =>
    gitRecord(isPush, { name: target.name, repository, arn: resource.arn }, endpoint.kind === 'rpc', more);
  if (!(await isAllowed(exchange, ctx, isPush, resource, record))) return;
  if (repository === undefined) {
    const message = `${target.name} does not exist`;
    ctx.record(record({ errorCode: 'RepositoryDoesNotExistException', errorMessage: message }));
    refuse(exchange, 404, message);
    return;
  }
  response.setHeader('x-amzn-requestid', ctx.requestId);
  const opened = await open(exchange, ctx, repository, record);
  if (opened === undefined) return;
  const pushes = isPush && endpoint.kind === 'rpc' ? new GitPushes(ctx, repository, resource, record) : null;
  if (pushes === null) ctx.record(record());
  await serveGit(
    opened,
    endpoint,
    { request: request.message, response },
    { push: pushes, report: (error) => reportGitFailure(ctx, repository, error) },
  );
  pushes?.finish();
}

/** The repository, unless it was deleted meanwhile or its key may not be used: that is answered in words that git shows. */
async function open(
  exchange: Exchange,
  ctx: Context,
  row: RepositoryRow,
  record: (more: Partial<RecordedEvent>) => RecordedEvent,
): Promise<Repository | undefined> {
  try {
    return await openRepository(ctx, row.id);
  } catch (caught) {
    const error = gitFault(caught, row.name);
    if (!isFault(error)) throw error;
    ctx.record(record({ errorCode: error.name, errorMessage: error.message }));
    refuse(exchange, KEY_STATUSES[error.name] ?? 403, `${error.name}: ${error.message}`);
    return undefined;
  }
}

async function isAllowed(
  exchange: Exchange,
  ctx: Context,
  isPush: boolean,
  resource: ResourceRef,
  record: (more: Partial<RecordedEvent>) => RecordedEvent,
): Promise<boolean> {
  try {
    await ctx.authorize(isPush ? 'codecommit:GitPush' : 'codecommit:GitPull', resource);
    return true;
  } catch (error) {
    if (!isFault(error, 'AccessDenied')) throw error;
    ctx.record(record({ errorCode: 'AccessDenied', errorMessage: error.message }));
    refuse(exchange, 403, error.message);
    return false;
  }
}

function reportGitFailure(ctx: Context, repository: RepositoryRow, error: unknown): void {
  ctx.log.error({ err: error, requestId: ctx.requestId, repositoryId: repository.id }, 'a git request failed');
}

/** Where 403 would say too much: the client may try again, or nobody can help it. */
const KEY_STATUSES: Readonly<Record<string, number>> = {
  RepositoryDoesNotExistException: 404,
  EncryptionKeyUnavailableException: 503,
  EncryptionIntegrityChecksFailedException: 500,
};

const TEXTS: Readonly<Record<number, string>> = {
  401: 'Git credentials are required: a user name and a password.',
  403: 'The security token included in the request is expired or invalid.',
  404: 'There is nothing here.',
};

/** git shows the text to its user. */
function refuse({ request, response }: Exchange, status: number, text = TEXTS[status] ?? ''): void {
  response.writeHead(status, {
    ...(status === 401 ? CHALLENGE : {}),
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache, no-store',
    // The rest of a body that nobody reads would be taken for the next request.
    ...(request.message.complete ? {} : { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : `${text}\n`);
}
