import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findProgram, freePort, isExecutable, runProgram, until } from './program.ts';
import type { Workspace } from './workspace.ts';

/** The password of the baseline's only user; it guards nothing. */
const USER = { userName: 'bench', password: 'bench-password' };
/** Processes that fcgiwrap keeps: as many requests as run `git http-backend` at once. */
const WORKERS = 8;

/** nginx + fcgiwrap + `git http-backend`: git over HTTP as one sets it up by hand. */
export interface GitBackend {
  /** Makes an empty repository that takes pushes. @returns its URL, with user and password */
  makeRepository(name: string): Promise<string>;
  /** The bare repository's folder. */
  folderOf(name: string): string;
}

interface Programs {
  nginx: string;
  fcgiwrap: string;
  httpBackend: string;
}

/** Starts the baseline on a free port; it ends with the row. @returns undefined where its programs are not installed */
export async function startGitBackend(workspace: Workspace): Promise<GitBackend | undefined> {
  const programs = await findPrograms();
  if (programs === undefined) return undefined;
  const folder = await workspace.makeFolder('git-backend');
  const repositories = join(folder, 'repositories');
  await mkdir(repositories);
  const socket = join(folder, 'fcgi.sock');
  const port = await freePort();
  await writeFile(join(folder, 'users'), `${USER.userName}:{PLAIN}${USER.password}\n`);
  await writeFile(join(folder, 'nginx.conf'), nginxConfiguration(folder, repositories, socket, port, programs));
  startHere(workspace, programs.fcgiwrap, ['-c', String(WORKERS), '-s', `unix:${socket}`]);
  await until(async () => ((await exists(socket)) ? true : undefined), 'fcgiwrap');
  startHere(workspace, programs.nginx, [
    '-e',
    join(folder, 'error.log'),
    '-p',
    folder,
    '-c',
    join(folder, 'nginx.conf'),
  ]);
  await until(async () => ((await answers(port)) ? true : undefined), 'nginx');
  const folderOf = (name: string) => join(repositories, `${name}.git`);
  return {
    folderOf,
    async makeRepository(name) {
      await runProgram('git', ['init', '--quiet', '--bare', '--initial-branch=main', folderOf(name)]);
      return `http://${USER.userName}:${USER.password}@127.0.0.1:${port}/${name}.git`;
    },
  };
}

async function findPrograms(): Promise<Programs | undefined> {
  const nginx = await findProgram('nginx');
  const fcgiwrap = await findProgram('fcgiwrap');
  const httpBackend = join((await runProgram('git', ['--exec-path'])).trim(), 'git-http-backend');
  if (nginx === undefined || fcgiwrap === undefined || !(await isExecutable(httpBackend))) return undefined;
  return { nginx, fcgiwrap, httpBackend };
}

/**
 * As `git help http-backend` shows it, without buffers, so that packs stream. A password is asked for, as Slipway does:
 * git's first request goes without one and is answered 401 by both.
 */
function nginxConfiguration(
  folder: string,
  repositories: string,
  socket: string,
  port: number,
  programs: Programs,
): string {
  const spools = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 2;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  client_max_body_size 0;
  ${spools.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / {
      auth_basic git;
      auth_basic_user_file ${folder}/users;
      fastcgi_pass unix:${socket};
      fastcgi_buffering off;
      fastcgi_request_buffering off;
      fastcgi_param SCRIPT_FILENAME ${programs.httpBackend};
      fastcgi_param GIT_PROJECT_ROOT ${repositories};
      fastcgi_param GIT_HTTP_EXPORT_ALL "";
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param REMOTE_USER $remote_user;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
    }
  }
}
`;
}

/** Starts a program in a process group of its own, which ends with the row. */
function startHere(workspace: Workspace, command: string, args: string[]): void {
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  workspace.defer(() => endGroup(child));
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  process.kill(-child.pid!, 'SIGTERM');
  await gone;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
