import { type WorkspaceEntry, type WorkspaceFiles, WorkspacePathError } from '../../executors/executor.ts';
import { compileGlob, type Glob } from './glob.ts';

/** An artifact section with every text expanded by the shell of the build. */
export interface ArtifactPatterns {
  files: readonly string[];
  baseDirectory?: string;
  excludePaths: readonly string[];
  discardPaths: boolean;
  /** Links inside the workspace stay links (in zip archives). */
  keepLinks: boolean;
}

/** One file of an artifact. */
export interface ArtifactFile {
  /** Its path in the artifact. */
  name: string;
  /** Its path in the workspace. */
  path: string;
  mode: number;
  modifiedAt: Date;
  /** Set when it is stored as a link. */
  linkTarget?: string;
}

export interface Selection {
  /** Sorted by name, each name once. */
  files: ArtifactFile[];
  /** For the log, in CodeBuild's words. */
  lines: string[];
}

/** Nothing to upload: `CLIENT_ERROR` of the phase UPLOAD_ARTIFACTS. */
export class ArtifactError extends Error {
  override readonly name = 'ArtifactError';
}

export interface ArtifactPlace {
  files: WorkspaceFiles;
  /** Where the script saw the workspace: absolute patterns below it are understood. */
  workspace: string;
  /** The source folder, relative to the workspace. */
  sourceFolder: string;
}

/**
 * Picks the files of an artifact.
 * @throws {ArtifactError} the base directory or every pattern matches nothing.
 * @see https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.artifacts.files
 */
export async function selectFiles(place: ArtifactPlace, patterns: ArtifactPatterns): Promise<Selection> {
  const base = patterns.baseDirectory ?? '.';
  const lines = [`Expanding base directory path: ${base}`, 'Assembling file list', `Expanding ${base}`];
  const folders = await baseFolders(place, base);
  if (folders.length === 0) throw new ArtifactError(`no matching base directory path found for ${base}`);
  lines.push(`Expanding file paths for base directory ${base}`, 'Assembling file list');
  const chosen = new Map<string, ArtifactFile>();
  const wanted = patterns.files.map((pattern) => ({ pattern, found: 0, glob: globBelow(place, pattern) }));
  const excluded = patterns.excludePaths.flatMap((pattern) => excludingGlobs(place, pattern));
  for (const folder of folders) {
    for await (const entry of place.files.list(folder)) {
      if (entry.type === 'folder') continue;
      const hits = wanted.filter(({ glob }) => glob.matches(entry.path));
      if (hits.length === 0 || excluded.some((glob) => glob.matches(entry.path))) continue;
      const file = await artifactFile(place, folder, entry, patterns);
      if (typeof file === 'string') {
        lines.push(`Skipping ${entry.path}: ${file}`);
        continue;
      }
      for (const hit of hits) hit.found++;
      if (chosen.has(file.name)) lines.push(`${file.path} replaces another file of the name ${file.name}`);
      chosen.set(file.name, file);
    }
  }
  for (const { pattern, found } of wanted) {
    lines.push(`Expanding ${pattern}`);
    if (found === 0) lines.push(`Skipping invalid file path ${pattern}`);
  }
  if (chosen.size === 0) throw new ArtifactError('no matching artifact paths found');
  lines.push(`Found ${chosen.size} file(s)`);
  return { files: [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), lines };
}

/** The folders that a base directory stands for, relative to the workspace, sorted. */
async function baseFolders(place: ArtifactPlace, base: string): Promise<string[]> {
  const wanted = inWorkspace(place, base);
  if (wanted === undefined) return [];
  const exact = await typeOf(place, wanted);
  if (exact === 'folder') return [wanted];
  if (!/[*?[{]/.test(wanted)) return [];
  const glob = compileGlob(wanted);
  const folders: string[] = [];
  // Only below the part without wildcards, so that one folder's pattern does not read the whole workspace.
  const parts = wanted.split('/');
  const fixed = parts
    .slice(
      0,
      Math.max(
        0,
        parts.findIndex((part) => /[*?[{]/.test(part)),
      ),
    )
    .join('/');
  if ((await typeOf(place, fixed)) !== 'folder') return [];
  for await (const entry of place.files.list(fixed)) {
    const path = fixed === '' ? entry.path : `${fixed}/${entry.path}`;
    if (entry.type === 'folder' && glob.matches(path)) folders.push(path);
  }
  return folders.sort();
}

async function typeOf(place: ArtifactPlace, path: string): Promise<WorkspaceEntry['type'] | undefined> {
  try {
    return (await place.files.stat(path)).type;
  } catch (error) {
    if (error instanceof WorkspacePathError) return undefined;
    throw error;
  }
}

/** A path of the buildspec (relative to the source folder, or absolute) relative to the workspace. */
function inWorkspace({ workspace, sourceFolder }: ArtifactPlace, path: string): string | undefined {
  if (path.startsWith('/')) {
    if (path === workspace) return '';
    return path.startsWith(`${workspace}/`) ? clean(path.slice(workspace.length + 1)) : undefined;
  }
  return clean(`${sourceFolder}/${path}`);
}

/** Without `.`, empty parts and what `..` takes back; undefined when it leads out. */
function clean(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const NOTHING: Glob = { matches: () => false };

/** A pattern relative to the base folders. One with an absolute path matches below the source folder only. */
function globBelow(place: ArtifactPlace, pattern: string): Glob {
  const source = `${place.workspace}/${place.sourceFolder}/`;
  const relative = clean(pattern.startsWith(source) ? pattern.slice(source.length) : pattern);
  if (relative === undefined || (pattern.startsWith('/') && !pattern.startsWith(source))) return NOTHING;
  return compileGlob(relative);
}

/** `name/**` followed by `/*` leaves out `name` itself too, be it a file or a folder. */
function excludingGlobs(place: ArtifactPlace, pattern: string): Glob[] {
  const globs = [globBelow(place, pattern)];
  if (pattern.endsWith('/**/*') && pattern !== '**/**/*')
    globs.push(globBelow(place, pattern.slice(0, -'/**/*'.length)));
  return globs;
}

/** The file behind an entry, or why it cannot be part of an artifact. */
async function artifactFile(
  place: ArtifactPlace,
  folder: string,
  entry: WorkspaceEntry,
  patterns: ArtifactPatterns,
): Promise<ArtifactFile | string> {
  const path = folder === '' ? entry.path : `${folder}/${entry.path}`;
  const name = patterns.discardPaths ? entry.path.slice(entry.path.lastIndexOf('/') + 1) : entry.path;
  if (entry.type === 'file') return { name, path, mode: entry.mode, modifiedAt: entry.modifiedAt };
  if (entry.type !== 'link') return 'it is not a regular file';
  try {
    const target = await place.files.stat(path);
    if (patterns.keepLinks) return { name, path, mode: 0o777, modifiedAt: entry.modifiedAt, linkTarget: entry.target };
    if (target.type === 'file') return { name, path, mode: target.mode, modifiedAt: target.modifiedAt };
    return 'it is a symbolic link to a folder';
  } catch (error) {
    if (error instanceof WorkspacePathError) return `the symbolic link ${error.message}`;
    throw error;
  }
}
