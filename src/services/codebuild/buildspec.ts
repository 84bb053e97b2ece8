import { BuildspecError, type YamlEntry, type YamlNode, YamlReader } from './yaml-reader.ts';

/** The phases that a buildspec gives commands for, in the order in which they run. */
export const PHASES = ['install', 'pre_build', 'build', 'post_build'] as const;
export type PhaseName = (typeof PHASES)[number];

export interface PhaseSpec {
  commands: string[];
  /** Run after `commands`, also when one of them failed. */
  finally: string[];
  /** `undefined`: what AWS does by default, which depends on the phase. */
  onFailure?: 'ABORT' | 'CONTINUE';
}

export interface ArtifactSpec {
  files: string[];
  /** Evaluated by the shell of the build. */
  name?: string;
  discardPaths: boolean;
  /** A path or pattern below the source folder. */
  baseDirectory?: string;
  excludePaths: string[];
  enableSymlinks: boolean;
  s3Prefix?: string;
}

export interface Buildspec {
  version: '0.1' | '0.2';
  shell: 'sh' | 'bash';
  /** Plain variables; the lowest in precedence. */
  variables: ReadonlyMap<string, string>;
  exportedVariables: string[];
  gitCredentialHelper: boolean;
  phases: Readonly<Record<PhaseName, PhaseSpec>>;
  artifacts?: ArtifactSpec;
  /** By artifact identifier. */
  secondaryArtifacts: ReadonlyMap<string, ArtifactSpec>;
  /** Lines for the log of the build: what stands in the file and has no effect. */
  notes: string[];
}

const EMPTY_PHASE: PhaseSpec = { commands: [], finally: [] };
/** Words of `on-failure` that ask for another try. */
const RETRY = /^RETRY(-|$)/;
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Reads a buildspec of version 0.2 or 0.1.
 *
 * What the build could not honour is refused by name, so that nothing passes that was not done (parameters, secrets,
 * another user, retries); what changes nothing about the commands is named in `notes`.
 * @throws {BuildspecError} with line and column, in CodeBuild's words where they are known.
 * @see https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
 */
export function parseBuildspec(text: string): Buildspec {
  return new BuildspecParser(text).parse();
}

class BuildspecParser {
  readonly #yaml: YamlReader;
  readonly #notes: string[] = [];

  constructor(text: string) {
    this.#yaml = new YamlReader(text);
  }

  parse(): Buildspec {
    const top = this.#section(this.#yaml.root, 'the buildspec', [
      ...['version', 'run-as', 'env', 'environment_variables', 'proxy', 'batch', 'phases', 'reports', 'artifacts'],
      'cache',
    ]);
    const version = this.#version(top.get('version'));
    this.#refuseRunAs(top.get('run-as'));
    const env = this.#env(top.get('env'), top.get('environment_variables'), version);
    const phases = this.#phases(top.get('phases'));
    const artifacts = top.get('artifacts');
    for (const name of ['proxy', 'batch', 'reports', 'cache']) this.#noteUseless(name, top.get(name));
    return { version, ...env, phases, ...this.#artifacts(artifacts), notes: this.#notes };
  }

  /** The entries of a mapping by key. Unknown keys have no effect in AWS either, but a typing error should show. */
  #section(node: YamlNode, what: string, known: readonly string[]): Map<string, YamlEntry> {
    const entries = new Map<string, YamlEntry>();
    for (const entry of this.#yaml.entries(node, what)) {
      if (entry.key === '<<') throw new BuildspecError(`merge keys (<<) are not supported at ${entry.at}`);
      if (known.includes(entry.key)) entries.set(entry.key, entry);
      else this.#notes.push(`Unknown key '${entry.key}' in ${what} at ${entry.at} has no effect`);
    }
    return entries;
  }

  #version(entry: YamlEntry | undefined): '0.1' | '0.2' {
    if (entry === undefined) throw new BuildspecError('Missing the version of the buildspec. Expecting: 0.1,0.2');
    const version = this.#yaml.text(entry.value, 'version');
    if (version === '0.1' || version === '0.2') return version;
    throw new BuildspecError(`Invalid buildspec version: ${version}. Expecting: 0.1,0.2 at ${entry.at}`);
  }

  #refuseRunAs(entry: YamlEntry | undefined): void {
    if (entry !== undefined) throw new BuildspecError(`run-as is not supported, at ${entry.at}`);
  }

  #noteUseless(name: string, entry: YamlEntry | undefined): void {
    if (entry !== undefined) this.#notes.push(`'${name}' at ${entry.at} has no effect`);
  }

  #env(env: YamlEntry | undefined, oldEnv: YamlEntry | undefined, version: string) {
    const section = this.#section(env?.value, 'env', [
      ...['shell', 'variables', 'parameter-store', 'secrets-manager', 'exported-variables', 'git-credential-helper'],
    ]);
    for (const name of ['parameter-store', 'secrets-manager']) {
      const entry = section.get(name);
      if (entry !== undefined && this.#yaml.entries(entry.value, `env/${name}`).length > 0) {
        throw new BuildspecError(`env/${name} is not supported, at ${entry.at}`);
      }
    }
    const helper = section.get('git-credential-helper');
    const variables = this.#variables(section.get('variables'), 'env/variables');
    if (oldEnv !== undefined && version === '0.1') {
      const old = this.#section(oldEnv.value, 'environment_variables', ['plaintext', 'parameter-store']);
      this.#variables(old.get('plaintext'), 'environment_variables/plaintext', variables);
      const store = old.get('parameter-store');
      if (store !== undefined) throw new BuildspecError(`parameter-store is not supported, at ${store.at}`);
    } else this.#noteUseless('environment_variables', oldEnv);
    return {
      shell: this.#shell(section.get('shell')),
      variables,
      exportedVariables: this.#exported(section.get('exported-variables')),
      gitCredentialHelper: helper !== undefined && this.#yaml.flag(helper.value, 'env/git-credential-helper'),
    };
  }

  #shell(entry: YamlEntry | undefined): 'sh' | 'bash' {
    const shell = this.#yaml.text(entry?.value, 'env/shell');
    if (shell === 'bash' || shell === '/bin/bash') return 'bash';
    if (shell === '' || shell === 'sh' || shell === '/bin/sh') return 'sh';
    throw new BuildspecError(`env/shell ${shell} is not supported. Expecting: bash,/bin/sh at ${entry?.at}`);
  }

  #variables(entry: YamlEntry | undefined, what: string, into = new Map<string, string>()): Map<string, string> {
    for (const { key, at, value } of this.#yaml.entries(entry?.value, what)) {
      if (key === '' || /[=\0]/.test(key)) throw new BuildspecError(`Invalid variable name ${key} at ${at}`);
      const text = this.#yaml.text(value, `${what}/${key}`);
      if (text.includes('\0')) throw new BuildspecError(`The value of ${key} holds a NUL character at ${at}`);
      if (key.startsWith('CODEBUILD_')) {
        this.#notes.push(`The variable ${key} at ${at} has no effect: names that start with CODEBUILD_ are reserved`);
      } else into.set(key, text);
    }
    return into;
  }

  #exported(entry: YamlEntry | undefined): string[] {
    const names: string[] = [];
    for (const item of this.#yaml.items(entry?.value, 'env/exported-variables')) {
      const name = this.#yaml.text(item, 'env/exported-variables');
      if (!SHELL_NAME.test(name)) {
        throw new BuildspecError(`Invalid name in exported-variables: ${name} at ${this.#yaml.at(item)}`);
      }
      if (name.startsWith('AWS_')) {
        this.#notes.push(`The variable ${name} is not exported: names that start with AWS_ are not`);
      } else names.push(name);
    }
    return [...new Set(names)];
  }

  #phases(entry: YamlEntry | undefined): Record<PhaseName, PhaseSpec> {
    const phases = { install: EMPTY_PHASE, pre_build: EMPTY_PHASE, build: EMPTY_PHASE, post_build: EMPTY_PHASE };
    for (const { key, at, value } of this.#yaml.entries(entry?.value, 'phases')) {
      const name = PHASES.find((phase) => phase === key);
      if (name === undefined) {
        throw new BuildspecError(
          `Invalid buildspec phase name: ${key}. Expecting: build,install,post_build,pre_build at ${at}`,
        );
      }
      phases[name] = this.#phase(name, value);
    }
    if (PHASES.every((name) => phases[name].commands.length + phases[name].finally.length === 0)) {
      throw new BuildspecError('At least one phase with build commands is required in the buildspec');
    }
    return phases;
  }

  #phase(name: PhaseName, node: YamlNode): PhaseSpec {
    const known = ['run-as', 'on-failure', 'runtime-versions', 'commands', 'finally', 'steps'];
    const section = this.#section(node, `phases/${name}`, known);
    this.#refuseRunAs(section.get('run-as'));
    const steps = section.get('steps');
    if (steps !== undefined) throw new BuildspecError(`unsupported field "steps" in buildspec at ${steps.at}`);
    this.#noteUseless('runtime-versions', section.get('runtime-versions'));
    return {
      commands: this.#commands(section.get('commands'), 'Commands'),
      finally: this.#commands(section.get('finally'), 'Finally'),
      onFailure: this.#onFailure(section.get('on-failure')),
    };
  }

  #commands(entry: YamlEntry | undefined, what: string): string[] {
    return this.#yaml.items(entry?.value, what).map((item, index) => {
      if (!this.#yaml.isScalar(item)) {
        // A colon and a blank in a command make it a mapping; these are the words that users search for.
        throw new BuildspecError(
          `Expected ${what}[${index}] to be of string type: found subkeys instead at ${this.#yaml.at(item)}, ` +
            `value of the key tag on line ${this.#yaml.line(item) - 1} might be empty`,
        );
      }
      const command = this.#yaml.text(item, what);
      if (command.includes('\0')) throw new BuildspecError(`${what}[${index}] holds a NUL character`);
      return command;
    });
  }

  #onFailure(entry: YamlEntry | undefined): PhaseSpec['onFailure'] {
    const word = this.#yaml.text(entry?.value, 'on-failure');
    if (word === '') return undefined;
    if (word === 'ABORT' || word === 'CONTINUE') return word;
    const what = RETRY.test(word) ? 'is not supported' : 'is unknown. Expecting: ABORT,CONTINUE';
    throw new BuildspecError(`on-failure: ${word} ${what} at ${entry?.at}`);
  }

  #artifacts(entry: YamlEntry | undefined): Pick<Buildspec, 'artifacts' | 'secondaryArtifacts'> {
    const secondaryArtifacts = new Map<string, ArtifactSpec>();
    if (entry === undefined) return { secondaryArtifacts };
    const known = [
      ...['files', 'name', 'discard-paths', 'base-directory', 'exclude-paths', 'enable-symlinks', 's3-prefix'],
      'type',
    ];
    const section = this.#section(entry.value, 'artifacts', [...known, 'secondary-artifacts']);
    for (const { key, value, at } of this.#yaml.entries(
      section.get('secondary-artifacts')?.value,
      'secondary-artifacts',
    )) {
      secondaryArtifacts.set(key, this.#artifact(this.#section(value, `secondary-artifacts/${key}`, known), at));
    }
    if (section.get('files') === undefined && secondaryArtifacts.size > 0) return { secondaryArtifacts };
    return { artifacts: this.#artifact(section, entry.at), secondaryArtifacts };
  }

  #artifact(section: ReadonlyMap<string, YamlEntry>, at: string): ArtifactSpec {
    const text = (name: string) => this.#yaml.text(section.get(name)?.value, `artifacts/${name}`);
    const flag = (name: string) => this.#yaml.flag(section.get(name)?.value, `artifacts/${name}`);
    const files = this.#patterns(section.get('files'), 'files');
    if (files.length === 0) throw new BuildspecError(`artifacts/files is required at ${at}`);
    return {
      files,
      name: text('name') || undefined,
      discardPaths: flag('discard-paths'),
      baseDirectory: text('base-directory') || undefined,
      excludePaths: this.#patterns(section.get('exclude-paths'), 'exclude-paths'),
      enableSymlinks: flag('enable-symlinks'),
      s3Prefix: text('s3-prefix') || undefined,
    };
  }

  /** A list of patterns, or one alone. */
  #patterns(entry: YamlEntry | undefined, what: string): string[] {
    if (entry === undefined) return [];
    if (this.#yaml.isScalar(entry.value)) {
      return [this.#yaml.text(entry.value, `artifacts/${what}`)].filter((pattern) => pattern !== '');
    }
    return this.#yaml.items(entry.value, `artifacts/${what}`).map((item) => this.#yaml.text(item, `artifacts/${what}`));
  }
}
