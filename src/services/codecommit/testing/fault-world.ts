/** For tests only: an installation in which every error that CodeCommit models can be provoked. */
import type { TestContext } from 'node:test';
import { gitUser } from '../harness.ts';
import { Histories, type TreeSpec } from '../merge-harness.ts';
import { MERGE_LIMITS } from '../merges-evaluate.ts';
import { app, type CodeCommit, openPullRequest, type Reviewing, reviewing, ruleContent } from './reviews.ts';

export type Input = Record<string, unknown>;

/** The repository with histories of whole trees. */
export const code = { repositoryName: 'code' };
export const NONE = 'a'.repeat(40);
export const NOWHERE = '00000000-0000-4000-8000-000000000000';
/** As many as there are when the world is made, and room for one more. */
const MAX_REPOSITORIES = 4;
const MIB = 1024 ** 2;
/** Long names make a folder large with few of them. */
export const LONG_NAME = 3_000;
/** With so many entries (mode, name and id) a folder has room for one more, and not for two. */
const WIDE_ENTRIES = Math.floor((6 * MIB) / (LONG_NAME + 28)) - 1;

/** Branches of `code` that are merged: `NAME-feature` into `NAME`, each with a pull request. */
const PAIRS = [
  'conflict',
  'stranger',
  'large',
  'many',
  'wide',
  'race',
  'plain',
  'forward',
  'squash',
  'threeWay',
] as const;
export type Pair = (typeof PAIRS)[number];

/** What stands in `code`. */
export interface Code {
  /** The tip of `main`, where the branches `work-...` are, too. */
  tip: string;
  /** What the tip builds on; the tag `v1` is here. */
  base: string;
  /** A blob beyond what the API reads. */
  hugeBlob: string;
  smallBlob: string;
  /** Tip of the branch `wide`. */
  wide: string;
  /** Ids of the open pull requests. */
  pulls: Record<Pair, string>;
}

export interface World extends Reviewing {
  alice: CodeCommit;
  bob: CodeCommit;
  /** Calls an operation by its name. */
  call(operation: string, input: Input, who?: CodeCommit): Promise<unknown>;
  revisionId: string;
  commentId: string;
  deletedId: string;
  code: Code;
}

/** Merges compare no more files in this world, for as long as the test takes: nobody waits for 200,000 of them. */
const MAX_ITEMS = 2_000;

function compareFewItems(t: TestContext): void {
  const { items } = MERGE_LIMITS;
  MERGE_LIMITS.items = MAX_ITEMS;
  t.after(() => {
    MERGE_LIMITS.items = items;
  });
}

/** In `app`, pull request `1` is open, `2` is closed. Each test makes its own world: what is provoked may change it. */
export async function faultWorld(t: TestContext): Promise<World> {
  compareFewItems(t);
  const made = await reviewing(t, { settings: { maxRepositories: MAX_REPOSITORIES } });
  const { root, person, put } = made;
  const [alice, bob] = [await person('alice'), await person('bob')];
  await put('main', 'folder/file.txt', 'x');
  await put('feature', 'folder/file.txt', 'y');
  await put('feature', 'a.txt', 'one\ntwo\nthree\n# end\n');
  const feature = await put('feature', 'a.txt', '1\n2\n3');
  await makeOther(root);
  const reviewed = await makeReviews({ ...made, feature }, alice);
  return { ...made, feature, alice, bob, call: caller(alice), ...reviewed, code: await makeCode(t, made, alice) };
}

function caller(alice: CodeCommit): World['call'] {
  return (operation, input, who = alice) => {
    const method = operation.charAt(0).toLowerCase() + operation.slice(1);
    return (who as unknown as Record<string, (input: Input) => Promise<unknown>>)[method]!(input);
  };
}

/** A second repository with the branches of the first one. */
async function makeOther(root: CodeCommit): Promise<void> {
  const other = { repositoryName: 'other' };
  await root.createRepository(other);
  const file = { ...other, branchName: 'main', filePath: 'a', fileContent: Buffer.from('a') };
  const { commitId } = await root.putFile(file);
  await root.createBranch({ ...other, branchName: 'feature', commitId: commitId! });
}

async function makeReviews({ root, main, feature }: Reviewing, alice: CodeCommit) {
  const rule = ruleContent(1);
  for (const approvalRuleTemplateName of ['associated', 'free']) {
    await root.createApprovalRuleTemplate({ approvalRuleTemplateName, approvalRuleTemplateContent: rule });
  }
  await root.associateApprovalRuleTemplateWithRepository({ ...app, approvalRuleTemplateName: 'associated' });
  const { revisionId } = await openPullRequest(alice);
  await openPullRequest(alice);
  await alice.updatePullRequestStatus({ pullRequestId: '2', pullRequestStatus: 'CLOSED' });
  await alice.createPullRequestApprovalRule({ pullRequestId: '1', approvalRuleName: 'own', approvalRuleContent: rule });
  const comment = async () => {
    const posted = { ...app, beforeCommitId: main, afterCommitId: feature, content: 'Words' };
    return (await alice.postCommentForComparedCommit(posted)).comment!.commentId!;
  };
  const [commentId, deletedId] = [await comment(), await comment()];
  await alice.deleteCommentContent({ commentId: deletedId });
  return { revisionId: revisionId!, commentId, deletedId };
}

async function makeCode(t: TestContext, { server, root }: Reviewing, alice: CodeCommit): Promise<Code> {
  await root.createRepository(code);
  const histories = await Histories.start(t, (await gitUser(server, 'gina')).remote('code'));
  const { git } = histories;
  const tree = (f: string, more: TreeSpec = {}): TreeSpec => {
    const rest = { clean: 'x', 'a/one': '1', 'a/two': '2', 'b/.gitkeep': '', sub: { submodule: NONE } };
    return { f, ...rest, ...more };
  };
  const base = await histories.commit('main', [], tree('a\n'));
  const tip = await histories.commit('main', [base], tree('b\n'));
  const at = (name: string, commit: string) => git.run('update-ref', `refs/heads/${name}`, commit);
  for (const name of ['work-commit', 'work-put', 'work-delete', 'conflict', 'stranger', 'many']) await at(name, tip);
  await histories.commit('conflict-feature', [base], tree('c\n'));
  await histories.commit('stranger-feature', [], { f: 'x' });
  for (const name of ['race', 'plain', 'forward', 'squash', 'threeWay']) {
    await at(name, tip);
    await histories.commit(`${name}-feature`, [tip], tree('b\n', { [name]: name }));
  }
  const huge = Buffer.concat([Buffer.from('a\n'), Buffer.alloc(6 * MIB, 'x')]);
  const large = await histories.commit('large', [base], { huge });
  await histories.commit('large', [large], { huge: Buffer.concat([huge, Buffer.from('1')]) });
  await histories.commit('large-feature', [large], { huge: Buffer.concat([huge, Buffer.from('2')]) });
  await makeFolders(histories, base, tip);
  await git.run('tag', 'v1', base);
  await histories.push();
  await git.run('push', '-q', 'origin', 'v1');
  const blob = (name: string) => git.run('rev-parse', name);
  const pulls = await openPulls(alice);
  const [hugeBlob, smallBlob, wide] = await Promise.all(['large:huge', 'main:f', 'wide'].map(blob));
  return { tip, base, hugeBlob: hugeBlob!, smallBlob: smallBlob!, wide: wide!, pulls };
}

/** `many`: more files than a merge compares in this world, in two trees. `wide`: folders that are too large together only. */
async function makeFolders({ git }: Histories, base: string, tip: string): Promise<void> {
  const blob = await git.feed('x', 'hash-object', '-w', '--stdin');
  const lines = (count: number, entry: (name: string) => string) =>
    Array.from({ length: count }, (_, n) => entry(String(n).padStart(5, '0'))).join('');
  const commit = async (name: string, parent: string, tree: string) => {
    const id = await git.run('commit-tree', '-m', name, '-p', parent, tree);
    await git.run('update-ref', `refs/heads/${name}`, id);
    return id;
  };
  const files = await git.feed(
    lines(50, (name) => `100644 blob ${blob}\t${name}\n`),
    'mktree',
  );
  const folders = await git.feed(
    lines(50, (name) => `040000 tree ${files}\t${name}\n`),
    'mktree',
  );
  await commit('many-feature', tip, folders);
  const name = (text: string) => text.padEnd(LONG_NAME, '_');
  const entries = lines(WIDE_ENTRIES, (text) => `100644 blob ${blob}\t${name(text)}\n`);
  const wide = async (more: string) => {
    const extra = more === '' ? '' : `100644 blob ${blob}\t${name(more)}\n`;
    const folder = await git.feed(entries + extra, 'mktree');
    return git.feed(`040000 tree ${folder}\tw\n`, 'mktree');
  };
  const fork = await commit('wide', base, await wide(''));
  await commit('wide', fork, await wide('x'));
  await commit('wide-feature', fork, await wide('y'));
}

async function openPulls(alice: CodeCommit): Promise<Record<Pair, string>> {
  const pulls = {} as Record<Pair, string>;
  for (const pair of PAIRS) {
    const targets = [{ ...code, sourceReference: `${pair}-feature`, destinationReference: pair }];
    pulls[pair] = (await alice.createPullRequest({ title: pair, targets })).pullRequest!.pullRequestId!;
  }
  return pulls;
}
