import { type ArtifactSpec, type Buildspec, PHASES, type PhaseName } from './buildspec.ts';

/** One command of the buildspec, as reports of the script name it. */
export interface PlannedCommand {
  phase: PhaseName;
  text: string;
  isFinally: boolean;
}

export interface BuildScript {
  /** For a POSIX shell that reads it from a file. */
  text: string;
  /** By the number that reports carry. */
  commands: ReadonlyMap<number, PlannedCommand>;
}

/** What the script says on its side channel; see {@link parseReport}. */
export type Report = { sequence: number } & (
  | { kind: 'enter'; phase: PhaseName }
  | { kind: 'command'; command: number }
  | { kind: 'ended'; command: number; status: number }
  | { kind: 'leave'; phase: PhaseName; succeeded: boolean }
  /** The value of an exported variable after the last phase. */
  | { kind: 'export'; name: string; value: string }
  /** A text of the `artifacts` section after the shell has expanded it; undefined when that failed. */
  | { kind: 'expanded'; key: string; value: string | undefined }
  | { kind: 'done' }
);

/** Texts of an artifact section that the shell of the build expands, by a key for the report. */
export function textsToExpand(id: string, artifact: ArtifactSpec): Map<string, string> {
  const texts = new Map<string, string>();
  const add = (key: string, text: string | undefined) => {
    if (text !== undefined && /[$`]/.test(text) && !text.includes('\n')) texts.set(`${id}:${key}`, text);
  };
  add('name', artifact.name);
  add('base-directory', artifact.baseDirectory);
  add('s3-prefix', artifact.s3Prefix);
  for (const [at, pattern] of artifact.files.entries()) add(`files:${at}`, pattern);
  for (const [at, pattern] of artifact.excludePaths.entries()) add(`exclude-paths:${at}`, pattern);
  return texts;
}

/** Prefix of {@link textsToExpand} keys for the primary artifact. */
export const PRIMARY = 'primary';

/** What a failed phase means for those after it where the buildspec says nothing. */
const GO_ON_AFTER_FAILURE: Readonly<Record<PhaseName, boolean>> = {
  install: false,
  pre_build: false,
  build: true,
  post_build: true,
};

/**
 * The functions of every script.
 *
 * All commands run in one shell, the worker, a subshell of the script, so that `cd`, `export`, variables, functions
 * and options last (version 0.1: each command in a subshell of its own). What ends the shell itself (`exit`, `set -e`,
 * an unterminated quote, `exec`) ends the worker only: the script takes its exit status as that of the command, starts
 * another worker with the exported variables and the folder that were kept, and goes on behind that command.
 *
 * Descriptor 3 is the side channel, 4 the log. Commands get neither: 3 is not theirs, and what they do to their own
 * output (`exec >file`) ends with them. A mark in the log behind each record tells where in the log it belongs.
 */
const FUNCTIONS = String.raw`
exec 4>&1 2>&1
sw_over=0 sw_at=0 sw_sequence=0 sw_flow=go sw_active=0 sw_failed=0 sw_skip=0 sw_skip_finally=0 sw_running=0
sw_options= sw_text= sw_value= sw_folder= sw_status=0

sw_report() {
  sw_sequence=$((sw_sequence + 1))
  printf '%s %s\000' "$sw_sequence" "$1" >&3
  printf '\036%s:%s\036' "$sw_nonce" "$sw_sequence" >&4
}

sw_keep() {
  { set +x; } 2>/dev/null
  printf '%s\n' "sw_over=$sw_over sw_at=$sw_at sw_sequence=$sw_sequence sw_flow=$sw_flow sw_active=$sw_active" \
    "sw_failed=$sw_failed sw_skip=$sw_skip sw_skip_finally=$sw_skip_finally sw_running=$sw_running" \
    "sw_options=$sw_options" >|"$sw_state/state"
  export -p >|"$sw_state/environment"
  pwd >|"$sw_state/folder"
}

sw_enter() {
  [ "$1" -gt "$sw_at" ] || return 0
  sw_at=$1 sw_active=0 sw_failed=0 sw_skip=0 sw_skip_finally=0
  [ "$sw_flow" = go ] || return 0
  sw_active=1
  sw_report "enter $2"
}

sw_leave() {
  [ "$1" -gt "$sw_at" ] || return 0
  sw_at=$1
  [ "$sw_active" = 1 ] || return 0
  if [ "$sw_failed" = 0 ]; then
    sw_report "leave $2 SUCCEEDED"
  else
    sw_report "leave $2 FAILED"
    sw_flow=$3
  fi
}

sw_run() { eval "$sw_text"; }
sw_run_apart() { ( eval "$sw_text" ); }

sw_command() {
  if [ "$1" -le "$sw_at" ]; then
    [ "$1" = "$sw_at" ] && [ "$sw_running" = 1 ] || return 0
    sw_status=$sw_ended
  else
    sw_at=$1
    [ "$sw_active" = 1 ] || return 0
    case $2 in
      commands) [ "$sw_skip" = 0 ] || return 0 ;;
      finally) [ "$sw_skip_finally" = 0 ] || return 0 ;;
    esac
    sw_running=1
    sw_report "command $1"
    sw_keep
    sw_set=
    for sw_option in e u f C a v x; do
      case $sw_options in *$sw_option*) sw_set=$sw_set$sw_option ;; esac
    done
    sw_text=$3
    [ -z "$sw_set" ] || sw_text="set -$sw_set; $sw_text"
    $sw_way 1>&4 2>&4 3>&- 4>&-
    { sw_status=$? sw_options=$-; set +e +u +f +C +a +v +x; } 2>/dev/null
  fi
  sw_running=0
  sw_report "ended $1 $sw_status"
  [ "$sw_status" != 0 ] || return 0
  sw_failed=1
  case $2 in commands) sw_skip=1 ;; finally) sw_skip_finally=1 ;; esac
  CODEBUILD_BUILD_SUCCEEDING=0
  export CODEBUILD_BUILD_SUCCEEDING
}

sw_export() {
  eval "[ \"\${$1+x}\" = x ]" || return 0
  eval "sw_value=\$$1"
  sw_report "export $1 $sw_value"
}

sw_expanded() {
  if [ "$2" = 0 ]; then sw_report "expanded $1 $sw_value"; else sw_report "not-expanded $1"; fi
}
`;

const LOOP = `
sw_keep
while :; do
  (
    if [ "$sw_at" -gt 0 ]; then
      . "$sw_state/environment"
      IFS= read -r sw_folder <"$sw_state/folder"
      cd "$sw_folder"
    fi
    trap sw_keep EXIT
    sw_main
  )
  sw_ended=$?
  . "$sw_state/state"
  [ "$sw_over" = 0 ] || exit 0
  [ "$sw_running" = 1 ] || exit 70
done
`;

/**
 * The shell script of a build.
 * @param options.nonce unguessable, alphanumeric; marks the places of reports in the log.
 * @param options.stateFolder an existing folder that only the script uses.
 * @param options.sourceFolder where the first command runs.
 */
export function buildScript(
  buildspec: Buildspec,
  options: { nonce: string; stateFolder: string; sourceFolder: string },
): BuildScript {
  const commands = new Map<number, PlannedCommand>();
  const steps: string[] = [];
  let step = 0;
  for (const phase of PHASES) {
    const { commands: texts, finally: finalTexts, onFailure } = buildspec.phases[phase];
    steps.push(`sw_enter ${++step} ${phase}`);
    const add = (text: string, block: 'commands' | 'finally') => {
      steps.push(`sw_command ${++step} ${block} ${quote(text)}`);
      commands.set(step, { phase, text, isFinally: block === 'finally' });
    };
    for (const text of texts) add(text, 'commands');
    for (const text of finalTexts) add(text, 'finally');
    const goesOn = onFailure === undefined ? GO_ON_AFTER_FAILURE[phase] : onFailure === 'CONTINUE';
    steps.push(`sw_leave ${++step} ${phase} ${goesOn ? 'go' : 'end'}`);
  }
  steps.push(...buildspec.exportedVariables.map((name) => `sw_export ${name}`));
  if (buildspec.artifacts !== undefined) steps.push(...expansions(PRIMARY, buildspec.artifacts, options.nonce));
  for (const [id, artifact] of buildspec.secondaryArtifacts)
    steps.push(...expansions(`secondary:${id}`, artifact, options.nonce));
  const text = [
    `sw_nonce=${options.nonce} sw_state=${quote(options.stateFolder)}`,
    `sw_way=${buildspec.version === '0.1' ? 'sw_run_apart' : 'sw_run'}`,
    FUNCTIONS,
    'sw_main() {',
    ...steps,
    'sw_over=1',
    'sw_report done',
    '}',
    `cd ${quote(options.sourceFolder)} || exit 71`,
    LOOP,
  ].join('\n');
  return { text, commands };
}

/** The shell expands a text as in double quotes, but with quotes as plain characters: a here-document does that. */
function expansions(id: string, artifact: ArtifactSpec, nonce: string): string[] {
  const steps: string[] = [];
  for (const [key, text] of textsToExpand(id, artifact)) {
    const end = `SLIPWAY_${nonce}`;
    steps.push(
      `{ sw_value=$(IFS= read -r sw_value <<${end} || exit 1\n${text}\n${end}\nprintf %s "$sw_value"); } 3>&- 4>&-`,
      `sw_expanded ${quote(key)} $?`,
    );
  }
  return steps;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Reads one record of the side channel. Undefined for what the script does not say: a command must have said it. */
export function parseReport(record: string): Report | undefined {
  const [, number, kind, rest = ''] = /^(\d+) ([a-z-]+)(?: (.*))?$/s.exec(record) ?? [];
  if (number === undefined) return undefined;
  const sequence = Number(number);
  const [first = '', second] = splitOnce(rest);
  const phase = PHASES.find((name) => name === first);
  switch (kind) {
    case 'enter':
      return phase && { sequence, kind, phase };
    case 'leave':
      return phase && { sequence, kind, phase, succeeded: second === 'SUCCEEDED' };
    case 'command':
      return { sequence, kind, command: Number(first) };
    case 'ended':
      return { sequence, kind, command: Number(first), status: Number(second) };
    case 'export':
      return { sequence, kind, name: first, value: second ?? '' };
    case 'expanded':
      return { sequence, kind, key: first, value: second ?? '' };
    case 'not-expanded':
      return { sequence, kind: 'expanded', key: first, value: undefined };
    case 'done':
      return { sequence, kind };
    default:
      return undefined;
  }
}

function splitOnce(text: string): [string, string?] {
  const blank = text.indexOf(' ');
  return blank === -1 ? [text] : [text.slice(0, blank), text.slice(blank + 1)];
}
