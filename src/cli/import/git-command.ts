import { spawn } from 'node:child_process';
import { linesOf } from '../lines.ts';

/** What git gets beside its arguments. Secrets go here: arguments can be read by every process of the machine. */
export type GitEnvironment = Record<string, string>;

/** A git that ended with another status than 0, with its words. */
export class GitError extends Error {
  override readonly name = 'GitError';
}

/** User name and password for one origin. */
export interface GitLogin {
  /** `https://example.com` */
  readonly origin: string;
  readonly userName: string;
  readonly password?: string;
}

const STDERR_CAP_CHARACTERS = 64 * 1024;
/** Git hands the answer of its helpers to nobody but the origin for which they are set up. */
const HELPER =
  '!f() { test "$1" != get || printf "username=%s\\npassword=%s\\n" "$SLIPWAY_GIT_USER" "$SLIPWAY_GIT_PASSWORD"; }; f';

/** The variables with which git logs in at one origin, and at no other; a user name alone is only suggested. */
export function loginEnvironment(login: GitLogin | undefined): GitEnvironment {
  if (login === undefined) return {};
  const { origin, userName, password } = login;
  if (password === undefined) return settings([[`credential.${origin}.username`, userName]]);
  return {
    ...settings([
      [`credential.${origin}.helper`, ''],
      [`credential.${origin}.helper`, HELPER],
    ]),
    SLIPWAY_GIT_USER: userName,
    SLIPWAY_GIT_PASSWORD: password,
  };
}

function settings(pairs: readonly [name: string, value: string][]): GitEnvironment {
  const environment: GitEnvironment = { GIT_CONFIG_COUNT: String(pairs.length) };
  for (const [at, [name, value]] of pairs.entries()) {
    environment[`GIT_CONFIG_KEY_${at}`] = name;
    environment[`GIT_CONFIG_VALUE_${at}`] = value;
  }
  return environment;
}

export interface GitRun {
  environment?: GitEnvironment;
  input?: string;
  /** A git whose output is the input; `input` is then its own. */
  from?: readonly string[];
  /** Shows git's own progress on standard error as it comes. */
  showProgress?: boolean;
  /** Exit statuses that are answers. */
  goodStatuses?: readonly number[];
  onLine?: (line: string) => void;
}

/** The git of this machine at work on one bare folder. */
export class Git {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** What git printed. @throws GitError */
  async run(args: readonly string[], options: GitRun = {}): Promise<string> {
    const lines: string[] = [];
    await this.lines(args, { ...options, onLine: (line) => lines.push(line) });
    return lines.join('\n');
  }

  /** Reads what git prints line by line. @returns what it said on standard error @throws GitError */
  async lines(args: readonly string[], options: GitRun = {}): Promise<string> {
    const last = this.#start(args, options);
    const running = [last];
    if (options.from === undefined) last.stdin.end(options.input ?? '');
    else {
      const first = this.#start(options.from, options);
      first.stdin.end(options.input ?? '');
      first.stdout.pipe(last.stdin);
      running.unshift(first);
    }
    for await (const line of linesOf(last.stdout)) options.onLine?.(line);
    for (const { ended } of running) await ended;
    return last.ended;
  }

  #start(args: readonly string[], options: GitRun) {
    const child = spawn('git', ['--git-dir', this.folder, ...args], {
      env: environmentOf(options.environment ?? {}),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      if (options.showProgress === true) process.stderr.write(text);
      errors = (errors + text).slice(-STDERR_CAP_CHARACTERS);
    });
    // A git that ends early closes its input; its status tells why.
    child.stdin.on('error', () => undefined);
    const ended = new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => {
        if (status !== null && (options.goodStatuses ?? [0]).includes(status)) resolve(shown(errors).trim());
        else reject(new GitError(shown(errors).trim() || `git ${args[0]} ended with status ${status}`));
      });
    });
    // Whoever asked waits for it, perhaps after a while; until then a failure is no unhandled one.
    ended.catch(() => undefined);
    return { stdin: child.stdin, stdout: child.stdout, ended };
  }
}

/** The user's own environment without what a hook may have set, and with the protocols that an import may use. */
function environmentOf(more: GitEnvironment): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(GIT_DIR|GIT_WORK_TREE|GIT_INDEX_FILE|GIT_OBJECT_DIRECTORY|GIT_ALTERNATE_OBJECT_DIRECTORIES|GIT_CONFIG_(COUNT|KEY_\d+|VALUE_\d+)|GIT_TRACE.*|GIT_CURL_VERBOSE)$/.test(
        name,
      ),
  );
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    GIT_ALLOW_PROTOCOL: 'file:http:https:ssh',
    ...(process.stdin.isTTY ? {} : { GIT_TERMINAL_PROMPT: '0' }),
    ...more,
  };
}

/** Text of another machine as it may stand on a terminal: one that ends a line, and nothing else that steers. */
export function shown(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}
