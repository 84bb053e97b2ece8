import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CodeCommit } from '@aws-sdk/client-codecommit';
import { cleanUp, startServer, type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { recorded } from '../../kernel/testing/recorded.ts';
import { sendSigned } from '../signed-request.ts';
import { readPullRequest } from './codecommit-source.ts';

const MAIN = new URL('../../main.ts', import.meta.url).pathname;
const repositoryName = 'app';

/** A repository with a merged pull request, and an open one that people have worked on. */
async function makeHistory(
  server: TestServer,
): Promise<{ open: string; merged: string; alice: CodeCommit; bob: CodeCommit }> {
  const { codecommit: alice } = await server.user('alice');
  const { codecommit: bob } = await server.user('bob');
  await alice.createRepository({ repositoryName, repositoryDescription: 'The app', tags: { team: 'a' } });
  const put = (branchName: string, filePath: string, content: string, parentCommitId?: string) =>
    alice.putFile({
      repositoryName,
      branchName,
      filePath,
      fileContent: Buffer.from(content),
      ...(parentCommitId === undefined ? {} : { parentCommitId }),
    });
  const { commitId: first } = await put('main', 'a.txt', 'one\ntwo\nthree\n');
  const ask = async (branchName: string, title: string, by: CodeCommit) => {
    const targets = [{ repositoryName, sourceReference: branchName, destinationReference: 'main' }];
    return (await by.createPullRequest({ title, description: 'Why', targets })).pullRequest!;
  };
  for (const branchName of ['fix', 'work']) await alice.createBranch({ repositoryName, branchName, commitId: first! });
  await put('fix', 'b.txt', 'b\n', first);
  const merged = (await ask('fix', 'Fix', bob)).pullRequestId!;
  await alice.mergePullRequestBySquash({ pullRequestId: merged, repositoryName });
  const { commitId: second } = await put('work', 'a.txt', 'one\n2\nthree\n', first);
  const created = await ask('work', 'Work', alice);
  const open = created.pullRequestId!;
  const approvalRuleContent = JSON.stringify({
    Version: '2018-11-08',
    Statements: [{ Type: 'Approvers', NumberOfApprovalsNeeded: 1 }],
  });
  await alice.createPullRequestApprovalRule({ pullRequestId: open, approvalRuleName: 'One', approvalRuleContent });
  await bob.updatePullRequestApprovalState({
    pullRequestId: open,
    revisionId: created.revisionId!,
    approvalState: 'APPROVE',
  });
  const between = { pullRequestId: open, repositoryName, beforeCommitId: first!, afterCommitId: second! };
  const location = { filePath: 'a.txt', filePosition: 2, relativeFileVersion: 'AFTER' as const };
  const { comment } = await bob.postCommentForPullRequest({ ...between, location, content: 'Why not two?' });
  await alice.postCommentReply({ inReplyTo: comment!.commentId!, content: 'Shorter.' });
  const { comment: general } = await alice.postCommentForPullRequest({ ...between, content: 'Please look' });
  const { comment: regretted } = await bob.postCommentForPullRequest({ ...between, content: 'Never mind' });
  await bob.deleteCommentContent({ commentId: regretted!.commentId! });
  await bob.putCommentReaction({ commentId: general!.commentId!, reactionValue: ':heart:' });
  await put('work', 'c.txt', 'c\n', second);
  const { pullRequest } = await alice.getPullRequest({ pullRequestId: open });
  await bob.overridePullRequestApprovalRules({
    pullRequestId: open,
    revisionId: pullRequest!.revisionId!,
    overrideStatus: 'OVERRIDE',
  });
  return { open, merged, alice, bob };
}

/** A server before another one that changes what it answers; what is signed for it passes, as its name goes on, too. */
async function lyingSource(
  t: TestContext,
  url: string,
  change: (operation: string | undefined, text: string) => string,
): Promise<string> {
  const proxy = createServer((request, response) => {
    const { method, headers } = request;
    const operation = String(headers['x-amz-target'] ?? '').split('.')[1];
    const forward = httpRequest(`${url}${request.url}`, { method, headers }, (answer) => {
      if (operation === undefined) {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
        return;
      }
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const { 'content-length': _, ...kept } = answer.headers;
        response.writeHead(answer.statusCode!, kept);
        response.end(change(operation, Buffer.concat(chunks).toString()));
      });
    });
    request.pipe(forward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  cleanUp(t, () => {
    proxy.closeAllConnections();
    return new Promise((resolve) => proxy.close(resolve));
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

/** What users see of a pull request, without what belongs to whoever asks. */
async function seen(client: CodeCommit, id: string): Promise<unknown> {
  const all = JSON.parse(JSON.stringify(await readPullRequest(client, id)));
  delete all.pullRequest.clientRequestToken;
  for (const { comments } of all.comments) {
    for (const comment of comments) {
      delete comment.clientRequestToken;
      delete comment.callerReactions;
    }
  }
  return all;
}

async function refsOf(client: CodeCommit): Promise<Record<string, string>> {
  const { branches } = await client.listBranches({ repositoryName });
  const tips: Record<string, string> = {};
  for (const branchName of branches!) {
    tips[branchName] = (await client.getBranch({ repositoryName, branchName })).branch!.commitId!;
  }
  return tips;
}

test('a CodeCommit comes over with its pull requests as they were: numbers, authors, times, threads, approvals', async (t) => {
  const [old, server] = [await startServer(t), await startServer(t)];
  const { open, merged, alice } = await makeHistory(old);
  const { codecommit } = server.root_;
  const credentials = join(await temporaryFolder(t), 'credentials');
  const { accessKeyId, secretAccessKey } = old.root_.keys;
  await writeFile(
    credentials,
    `[old]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
  );
  const run = (...args: string[]) =>
    new Promise<{ status: number; text: string }>((resolve) => {
      const env = { ...server.env(server.root_.keys), AWS_SHARED_CREDENTIALS_FILE: credentials };
      const from = ['import', '--from-codecommit', '--profile', 'old', '--endpoint-url', old.url, ...args];
      execFile(process.execPath, [MAIN, ...from], { env }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), text: stdout + stderr });
      });
    });
  const send = (keys: typeof server.root_.keys, body: unknown, repository = repositoryName) =>
    sendSigned({
      url: server.url,
      method: 'POST',
      target: `/_slipway/codecommit/pull-requests?repositoryName=${repository}`,
      region: 'us-east-1',
      service: 'codecommit',
      keys,
      body: JSON.stringify(body),
    });
  const cameOver = async () => {
    for (const id of [open, merged]) assert.deepEqual(await seen(codecommit, id), await seen(old.root_.codecommit, id));
    assert.deepEqual(await refsOf(codecommit), await refsOf(old.root_.codecommit));
  };
  const first = await run('--all');
  assert.equal(first.status, 0, first.text);
  assert.match(first.text, /app: 2 pull requests, 2 came, 0 were here already/);
  await cameOver();
  const came = await readPullRequest(codecommit, open);
  assert.equal(came.comments.flatMap(({ comments = [] }) => comments).length, 4);
  assert.deepEqual([came.revisions.length, came.revisions[0]!.approvers.length, came.events.length > 4], [2, 1, true]);
  assert.equal(Object.keys(came.reactions).length, 1);
  const { repositoryMetadata } = await codecommit.getRepository({ repositoryName });
  assert.deepEqual([repositoryMetadata!.repositoryDescription, repositoryMetadata!.defaultBranch], ['The app', 'main']);
  assert.deepEqual((await codecommit.listTagsForResource({ resourceArn: repositoryMetadata!.Arn! })).tags, {
    team: 'a',
  });
  const { evaluation } = await codecommit.evaluatePullRequestApprovalRules({
    pullRequestId: open,
    revisionId: (await codecommit.getPullRequest({ pullRequestId: open })).pullRequest!.revisionId!,
  });
  assert.equal(evaluation!.overridden, true);
  const records = await recorded(server.kernel);
  assert.equal(records.filter(({ name }) => name === 'ImportPullRequest').length, 2);
  assert.doesNotMatch(first.text, /WARNING/);

  await t.test('again it brings what is new, as it was there', async () => {
    const { branch } = await alice.getBranch({ repositoryName, branchName: 'work' });
    const file = { repositoryName, branchName: 'work', filePath: 'd.txt', fileContent: Buffer.from('d') };
    await alice.putFile({ ...file, parentCommitId: branch!.commitId! });
    await alice.mergePullRequestByThreeWay({ pullRequestId: open, repositoryName }).catch(async () => {
      const { pullRequest } = await alice.getPullRequest({ pullRequestId: open });
      assert.equal(pullRequest!.pullRequestStatus, 'OPEN', 'the new revision has no approvals');
    });
    const again = await run(repositoryName);
    assert.equal(again.status, 0, again.text);
    assert.match(again.text, /2 pull requests, 1 came, 1 was here already/);
    await cameOver();
  });

  await t.test('what was worked on here stays; later ones get higher numbers', async () => {
    await codecommit.updatePullRequestTitle({ pullRequestId: open, title: 'Ours' });
    await old.root_.codecommit.updatePullRequestTitle({ pullRequestId: open, title: 'Theirs' });
    assert.match((await run(repositoryName)).text, new RegExp(`Pull request ${open} has been worked on here since`));
    assert.equal((await codecommit.getPullRequest({ pullRequestId: open })).pullRequest!.title, 'Ours');
    await codecommit.createBranch({ repositoryName, branchName: 'new', commitId: (await refsOf(codecommit))['work']! });
    const targets = [{ repositoryName, sourceReference: 'new', destinationReference: 'main' }];
    const { pullRequest } = await codecommit.createPullRequest({ title: 'New', targets });
    assert.equal(Number(pullRequest!.pullRequestId), Math.max(Number(open), Number(merged)) + 1);
    const taken = await run(repositoryName, '--repository', 'other');
    assert.equal(taken.status, 1);
    assert.match(taken.text, /another one has that number here/);
  });

  await t.test(
    'another account brings in the same history; neither sees or stands before what the other has',
    async () => {
      const { root } = await server.account('second');
      const bundle = await readPullRequest(old.root_.codecommit, open);
      await root.codecommit.createRepository({ repositoryName: 'copy' });
      const { commentId } = bundle.comments[0]!.comments![0]!;
      await assert.rejects(root.codecommit.getComment({ commentId: commentId! }), {
        name: 'CommentDoesNotExistException',
      });
      const outcomes = await Promise.all([1, 2, 3].map(() => send(root.keys, bundle, 'copy')));
      const words = outcomes.map((one) => (one as { outcome: string }).outcome).sort();
      assert.deepEqual(words, ['IMPORTED', 'UNCHANGED', 'UNCHANGED'], 'also by three at once');
      const theirs = (await root.codecommit.getComment({ commentId: commentId! })).comment!;
      assert.equal(theirs.commentId, commentId);
      await root.codecommit.putCommentReaction({ commentId: commentId!, reactionValue: ':ship:' });
      const { comment: reply } = await root.codecommit.postCommentReply({ inReplyTo: commentId!, content: 'Late' });
      assert.equal(reply!.inReplyTo, commentId);
      const { reactionsForComment } = await root.codecommit.getCommentReactions({ commentId: commentId! });
      assert.equal(reactionsForComment!.length, 1);
      const own = (await codecommit.getComment({ commentId: commentId! })).comment!;
      assert.deepEqual(own.reactionCounts, {}, 'nothing of the other account');
      const { approvalRules } = (await root.codecommit.getPullRequest({ pullRequestId: open })).pullRequest!;
      assert.equal(approvalRules![0]!.approvalRuleId, bundle.pullRequest.approvalRules![0]!.approvalRuleId);
    },
  );

  await t.test(
    'ids that another pull request of the account has are refused by name, and numbers out of thin air',
    async () => {
      const { keys } = server.root_;
      const bundle = await readPullRequest(old.root_.codecommit, open);
      const other = { ...bundle, pullRequest: { ...bundle.pullRequest, pullRequestId: '500', approvalRules: [] } };
      await assert.rejects(send(keys, other), /400: .*belongs to another pull request of this account and Region/);
      const { approvalRules } = bundle.pullRequest;
      const withRule = { ...other, comments: [], pullRequest: { ...other.pullRequest, approvalRules } };
      await assert.rejects(send(keys, withRule), /400: .*belongs to another pull request of this account and Region/);
      // One that was made here would be asked for by that id and the imported one found.
      const refs = await refsOf(codecommit);
      const made = await codecommit.postCommentForComparedCommit({
        repositoryName,
        beforeCommitId: refs['main']!,
        afterCommitId: refs['work']!,
        content: 'Ours',
      });
      const forged = { ...bundle.comments[0]!.comments![0]!, commentId: made.comment!.commentId };
      const comments = [{ ...bundle.comments[0], comments: [forged] }];
      await assert.rejects(send(keys, { ...other, comments }), /belongs to another pull request of this account/);
      const high = { ...other, comments: [], pullRequest: { ...other.pullRequest, pullRequestId: '999999999999999' } };
      await assert.rejects(send(keys, high), /400: .*pullRequestId is no number from 1 to 10000000/);
      const later = { ...other.pullRequest, lastActivityDate: new Date(Date.now() + 3 * 86_400_000) };
      await assert.rejects(
        send(keys, { ...other, comments: [], pullRequest: later }),
        /lastActivityDate is in the future/,
      );
      const fat = { ...other, padding: 'x'.repeat(17 * 1024 * 1024) };
      await assert.rejects(send(keys, fat), /413|no answer/);
      assert.equal((await codecommit.getComment({ commentId: made.comment!.commentId! })).comment!.content, 'Ours');
    },
  );

  await t.test('a source that cannot be read leaves nothing, and a profile that is not there is named', async () => {
    const missing = await run('nowhere', '--repository', 'empty');
    assert.match(missing.text, /RepositoryDoesNotExistException/);
    const unknown = await run(repositoryName, '--profile', 'nobody');
    assert.match(unknown.text, /There is no profile nobody/);
    assert.deepEqual([missing.status, unknown.status], [2, 2]);
    await assert.rejects(codecommit.getRepository({ repositoryName: 'empty' }), {
      name: 'RepositoryDoesNotExistException',
    });
  });

  await t.test(
    'a source that lies about one pull request keeps none of the others out; another run goes on',
    async (t) => {
      const target = await startServer(t);
      const lie = { isOn: true };
      const through = await lyingSource(t, old.url, (operation, text) =>
        lie.isOn && operation === 'GetPullRequest' && text.includes('"Fix"') ? text.replace('"Fix"', '""') : text,
      );
      const env = { ...target.env(target.root_.keys), AWS_SHARED_CREDENTIALS_FILE: credentials };
      const args = ['import', '--from-codecommit', '--profile', 'old', '--endpoint-url', through, repositoryName];
      const attempt = () =>
        new Promise<{ status: number; text: string }>((resolve) => {
          execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout, stderr) => {
            resolve({ status: error === null ? 0 : Number(error.code), text: stdout + stderr });
          });
        });
      const half = await attempt();
      assert.equal(half.status, 1, half.text);
      assert.match(half.text, new RegExp(`Pull request ${merged} did not come: .*title is no text of 1 to 150`));
      assert.match(half.text, /2 pull requests, 1 came, 0 were here already/);
      lie.isOn = false;
      const whole = await attempt();
      assert.equal(whole.status, 0, whole.text);
      assert.match(whole.text, /2 pull requests, 1 came, 1 was here already/);
      const title = (await target.root_.codecommit.getPullRequest({ pullRequestId: merged })).pullRequest!.title;
      assert.equal(title, 'Fix');
    },
  );

  await t.test('whoever may do everything in CodeCommit may not write history; nonsense is refused', async () => {
    const bundle = { ...(await readPullRequest(old.root_.codecommit, open)) };
    const Statement = { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' };
    const mallory = await server.user('mallory', { Version: '2012-10-17', Statement });
    await assert.rejects(send(mallory.keys, bundle), /not authorized to perform: slipway:ImportPullRequest/);
    await assert.rejects(send(mallory.keys, bundle, 'nowhere'), /slipway:ImportPullRequest/);
    const { keys } = server.root_;
    await assert.rejects(send(keys, bundle, 'nowhere'), /nowhere does not exist/);
    const one = { ...bundle.pullRequest, pullRequestId: '900' };
    for (const pullRequest of [
      null,
      [],
      { ...one, pullRequestId: '-1' },
      { ...one, authorArn: 'me' },
      { ...one, creationDate: 'soon' },
      { ...one, pullRequestTargets: [{}] },
      { ...one, title: 'x\u0000' },
      { ...one, pullRequestStatus: 'MERGED' },
    ]) {
      await assert.rejects(send(keys, { ...bundle, pullRequest }), /400: The pull request cannot be imported/);
    }
    const evil = {
      pullRequest: one,
      events: [{ pullRequestEventType: 'X' }],
      revisions: [],
      comments: [],
      reactions: {},
    };
    await assert.rejects(send(keys, evil), /400: The pull request cannot be imported/);
    await assert.rejects(codecommit.getPullRequest({ pullRequestId: '900' }), {
      name: 'PullRequestDoesNotExistException',
    });
    const refused = (await recorded(server.kernel)).filter(({ text }) =>
      /"userName":"mallory".*AccessDenied/s.test(text),
    );
    assert.ok(refused.length >= 2, 'refusals stand in the trail');
  });
});
