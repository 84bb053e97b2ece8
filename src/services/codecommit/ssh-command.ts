import { type GitService, type ProtocolVersion, protocolVersionOf } from '../../git/advertisement.ts';

/** What a client asks to run. */
export interface SshCommand {
  service: GitService;
  /** As the client wrote it. */
  path: string;
  /** Name of the repository, which there may not be; undefined where the path is none of a repository. */
  repositoryName: string | undefined;
}

/**
 * One of the two commands that git sends, its path in single quotes as git writes it (a quote or an exclamation mark stands
 * outside of them, behind a backslash). Nothing else is a command, and nothing of it ever reaches a shell.
 */
const COMMAND = /^(git-upload-pack|git-receive-pack) '((?:[^'\u0000-\u001f]|'\\['!]')*)'$/;
const PATH = /^\/?v1\/repos\/([A-Za-z0-9._-]{1,104})\/?$/;

/** Reads an exec request; undefined for anything but the two commands. */
export function readSshCommand(text: string): SshCommand | undefined {
  const match = COMMAND.exec(text);
  if (match === null) return undefined;
  const path = match[2]!.replace(/'\\(['!])'/g, '$1');
  return { service: match[1] as GitService, path, repositoryName: PATH.exec(path)?.[1]?.replace(/\.git$/, '') };
}

/** The protocol version that `GIT_PROTOCOL` asks for; other variables of clients are not taken. */
export function protocolOf(value: string | undefined): ProtocolVersion {
  return value !== undefined && value.length <= 64 ? protocolVersionOf(value) : 0;
}
