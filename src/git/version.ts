import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What we make of the installed git. */
export interface GitVersion {
  /** As git says it, such as `2.39.5`. */
  version: string;
  verdict: 'good' | 'warn' | 'refuse';
  /** Empty when good, else a sentence for the operator. */
  reason: string;
}

/**
 * First release of each maintained line with the fixes of July 2025 (CVE-2025-48384 and -48385).
 * Source: git's release notes of 2.50.1.
 */
const PATCHED: Readonly<Record<number, number>> = { 43: 7, 44: 4, 45: 4, 46: 4, 47: 3, 48: 2, 49: 1, 50: 1 };
const NEWEST_PATCHED_MINOR = 50;
/** Debian 12 carries the fixes in 2.39.5-0+deb12u3; `git version` does not print the revision. */
const DEBIAN_LINE = { minor: 39, patch: 5 };

/**
 * Judges a version: below 2.38.3 and 2.39.1 the server itself is at risk (CVE-2022-23521, CVE-2022-41903) or lacks
 * commands that we use. Later lines without the fixes of July 2025 are at risk only as clients of foreign servers,
 * and distributions patch without changing the number, so those get a warning.
 */
export function judgeGitVersion(output: string): GitVersion {
  const match = /^git version (\d+)\.(\d+)(?:\.(\d+))?/.exec(output);
  if (match === null) {
    return { version: output.trim().slice(0, 100), verdict: 'refuse', reason: 'git does not tell its version' };
  }
  const [major, minor, patch] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] as const;
  const version = `${major}.${minor}.${patch}`;
  if (isTooOld(major, minor, patch)) {
    return { version, verdict: 'refuse', reason: `git ${version} is too old: 2.39.5 (Debian 12) or 2.50.1 is needed` };
  }
  if (isPatched(major, minor, patch)) return { version, verdict: 'good', reason: '' };
  const reason = `git ${version} lacks the security fixes of July 2025 unless your distribution added them`;
  return { version, verdict: 'warn', reason };
}

function isTooOld(major: number, minor: number, patch: number): boolean {
  if (major !== 2) return major < 2;
  return minor < 38 || (minor === 38 && patch < 3) || (minor === 39 && patch < 1);
}

function isPatched(major: number, minor: number, patch: number): boolean {
  if (major > 2 || minor > NEWEST_PATCHED_MINOR) return true;
  if (minor === DEBIAN_LINE.minor) return patch >= DEBIAN_LINE.patch;
  const first = PATCHED[minor];
  return first !== undefined && patch >= first;
}

/** What was answered, by program and the path that it is looked up in. */
const answers = new Map<string, string>();

/** Asks the installed git, once in a process. A missing git is a refusal with that reason. */
export async function readGitVersion(program = 'git'): Promise<GitVersion> {
  const key = `${process.env['PATH']} ${program}`;
  try {
    const stdout = answers.get(key) ?? (await promisify(execFile)(program, ['version'], { timeout: 10_000 })).stdout;
    answers.set(key, stdout);
    return judgeGitVersion(stdout);
  } catch (error) {
    return { version: '', verdict: 'refuse', reason: `git cannot be run: ${(error as Error).message}` };
  }
}
