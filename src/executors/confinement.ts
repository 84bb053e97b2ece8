import { execFile } from 'node:child_process';
import { access, constants, readdir, readlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** `nobody` on every Linux distribution that has bubblewrap. */
export const NOBODY_ID = 65534;

/** How runs on this host are confined. */
export type Confinement =
  /** Paths of the programs (with `setpriv` the server is root and scripts run as `nobody`), and the host's folders. */
  | { kind: 'bubblewrap'; bwrap: string; setpriv?: string; hostMounts: readonly string[] }
  /** Not at all, and why. */
  | { kind: 'none'; reason: string };

/** Top-level folders that a script never sees as they are on the host. */
const PRIVATE_TOP_LEVEL = [
  'proc',
  'dev',
  'run',
  'tmp',
  'root',
  'home',
  'mnt',
  'media',
  'boot',
  'lost+found',
  'codebuild',
];

/** What a script may need of `/run`, which otherwise holds the sockets of the host's daemons (docker, dbus). */
const RUN_FOLDERS = [
  '/run/systemd/resolve',
  '/run/resolvconf',
  '/run/NetworkManager/resolv.conf',
  '/run/current-system',
];

/** Where bubblewrap tells the number of the first process in the new namespace. */
export const INFO_FD = 4;

const DROP_ALL = ['--cap-drop', 'ALL'];
const KEEP_TO_CHANGE_USER = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((name) => ['--cap-add', name]);
const BECOME_NOBODY = [
  `--reuid=${NOBODY_ID}`,
  `--regid=${NOBODY_ID}`,
  '--clear-groups',
  '--bounding-set=-all',
  '--inh-caps=-all',
];

/**
 * Tries bubblewrap out once: being installed says nothing where user namespaces are off.
 * @param searchPath the server's PATH, where the programs are looked for.
 */
export async function probeConfinement(isRoot: boolean, searchPath: string): Promise<Confinement> {
  const bwrap = await findProgram('bwrap', searchPath);
  if (bwrap === undefined) return { kind: 'none', reason: 'bubblewrap (bwrap) is not installed' };
  const setpriv = isRoot ? await findProgram('setpriv', searchPath) : undefined;
  const base = [
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--unshare-pid',
    '--unshare-ipc',
    ...DROP_ALL,
  ];
  try {
    if (setpriv !== undefined) {
      const asNobody = [...base, ...KEEP_TO_CHANGE_USER, '--', setpriv, ...BECOME_NOBODY, '/bin/sh', '-c', ':'];
      const { ok } = await run(bwrap, asNobody).then(
        () => ({ ok: true }),
        () => ({ ok: false }),
      );
      if (ok) return { kind: 'bubblewrap', bwrap, setpriv, hostMounts: await readHostMounts() };
    }
    await run(bwrap, [...base, '--', '/bin/sh', '-c', ':']);
    return { kind: 'bubblewrap', bwrap, hostMounts: await readHostMounts() };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    return { kind: 'none', reason: `bubblewrap does not work here: ${(stderr ?? String(error)).trim()}` };
  }
}

async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(':')) {
    const path = join(folder, name);
    if (!isAbsolute(path)) continue;
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

/** The folders of one confined run: on the host, and where the script sees them. */
export interface ConfinedFolders {
  workspace: { host: string; inside: string };
  home: { host: string; inside: string };
  /** Becomes /tmp and /var/tmp: on disk, because memory-backed ones would let a script eat the host's memory. */
  temporary: string;
  /** Holds the script; read-only. */
  readOnly: { host: string; inside: string };
  /** Folders of the host that the script must not see: the server's data. Absolute, without links. */
  hidden: readonly string[];
}

/**
 * The bubblewrap command line up to and including what changes the user; the command follows. The script gets its own
 * process and IPC namespaces and dies with the server; the host is read-only, without other people's homes, the
 * daemons' sockets and `hidden`; the network is the host's, because builds call the API on loopback.
 * @param searchPath the server's PATH, never the script's, which could name anything: tools in a home folder are shown,
 *   the rest of that home is not.
 */
export function bubblewrapCommand(
  { bwrap, setpriv, hostMounts }: Extract<Confinement, { kind: 'bubblewrap' }>,
  folders: ConfinedFolders,
  searchPath: string,
): string[] {
  const { workspace, home, temporary, readOnly } = folders;
  const tools = toolFolders(searchPath);
  // Empty memory-backed folders over what would otherwise show.
  const hidden = folders.hidden.filter(
    (path) => !isPrivate(path) || tools.some((folder) => isBelow(path, folder) || isBelow(folder, path)),
  );
  return [
    bwrap,
    '--die-with-parent',
    '--new-session',
    '--unshare-pid',
    '--unshare-ipc',
    ...['--info-fd', String(INFO_FD)],
    ...DROP_ALL,
    ...(setpriv === undefined ? [] : KEEP_TO_CHANGE_USER),
    ...hostMounts,
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/run'],
    ...RUN_FOLDERS.flatMap((folder) => ['--ro-bind-try', folder, folder]),
    ...['--bind', temporary, '/tmp', '--bind', temporary, '/var/tmp'],
    ...['--bind', home.host, home.inside],
    ...tools.flatMap((folder) => [...folderMounts(dirname(folder)), '--ro-bind-try', folder, folder]),
    ...hidden.flatMap((folder) => ['--tmpfs', folder]),
    ...folderMounts(dirname(workspace.inside)),
    ...['--bind', workspace.host, workspace.inside],
    ...['--ro-bind', readOnly.host, readOnly.inside],
    '--',
    ...(setpriv === undefined ? [] : [setpriv, ...BECOME_NOBODY]),
  ];
}

/** Every top-level folder of the host, read-only, but for those that hold what is private. */
async function readHostMounts(): Promise<string[]> {
  const entries = await readdir('/', { withFileTypes: true });
  const mounts: string[] = [];
  for (const entry of entries) {
    const path = `/${entry.name}`;
    if (PRIVATE_TOP_LEVEL.includes(entry.name)) continue;
    if (entry.isSymbolicLink()) mounts.push('--symlink', await readlink(path), path);
    else if (entry.isDirectory()) mounts.push('--ro-bind', path, path);
  }
  return mounts;
}

/** A folder and those above it, made by us because bubblewrap makes missing ones for its own user only. */
function folderMounts(path: string): string[] {
  const parts = path.split('/').slice(1);
  return parts.flatMap((_, at) => ['--dir', `/${parts.slice(0, at + 1).join('/')}`]);
}

function isPrivate(path: string): boolean {
  return PRIVATE_TOP_LEVEL.includes(path.split(sep)[1] ?? '');
}

/** The folders of PATH that lie in private places, as far as they must be seen. */
function toolFolders(searchPath: string): string[] {
  const folders = new Set<string>();
  for (const entry of searchPath.split(':')) {
    const folder = isAbsolute(entry) && isPrivate(entry) ? toolFolder(entry) : undefined;
    if (folder !== undefined) folders.add(folder);
  }
  return [...folders].sort();
}

/**
 * What must be seen so that the programs in a folder of PATH find their own files: `~/.nvm/versions/node/v26/bin`
 * needs the `lib` beside it. Never a home folder itself. Exported for its table test.
 */
export function toolFolder(pathEntry: string): string | undefined {
  const folder = pathEntry.replace(/\/+$/, '');
  if (depth(folder) <= homeDepth(folder)) return undefined;
  const parent = dirname(folder);
  const isProgramFolder = ['bin', '.bin', 'sbin', 'shims'].includes(basename(folder));
  // ~/bin and ~/.local/bin stand beside private files.
  if (!isProgramFolder || depth(parent) <= homeDepth(parent) || basename(parent) === '.local') return folder;
  return parent;
}

function depth(path: string): number {
  return path.split('/').length - 1;
}

/** `/root` is a home at depth 1, `/home/alice` at depth 2. */
function homeDepth(path: string): number {
  return path.startsWith('/home/') || path === '/home' ? 2 : 1;
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
