import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { cleanUp } from '../../../test/harness.ts';
import { UsageError } from '../usage-error.ts';
import { type AnswerLimits, boundAnswers } from './bounded-answers.ts';
import { pullRequestIds, readPullRequest, repositoryNames, templatesOf } from './codecommit-source.ts';

type Answer = (input: Record<string, unknown>, response: ServerResponse) => unknown;

/** A CodeCommit that answers as a test likes; what it returns is sent as JSON. */
async function hostile(t: TestContext, answers: Record<string, Answer>, limits: Partial<AnswerLimits> = {}) {
  let asked = 0;
  const server = createServer(async (request, response) => {
    asked += 1;
    let text = '';
    for await (const chunk of request) text += chunk;
    const operation = String(request.headers['x-amz-target']).split('.')[1]!;
    const answer = answers[operation]?.(JSON.parse(text), response);
    if (answer === undefined) return;
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new CodeCommit({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
  boundAnswers(client, 'The source', { maxBytes: 1024 * 1024, maxMs: 5_000, ...limits });
  cleanUp(t, () => {
    client.destroy();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { client, asked: () => asked };
}

/** One line for a user, and no stack. */
const told = (words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UsageError, String((error as Error).stack));
  assert.match(error.message, words);
  assert.doesNotMatch(error.message, /[\n\u001b]/);
  return true;
};

test('a source whose lists do not end is left', async (t) => {
  let count = 0;
  const { client, asked } = await hostile(t, {
    ListRepositories: () => ({ repositories: [{ repositoryName: 'a' }], nextToken: 'again' }),
    ListPullRequests: () => ({ pullRequestIds: [], nextToken: `page ${(count += 1)}` }),
    ListAssociatedApprovalRuleTemplatesForRepository: () => ({
      approvalRuleTemplateNames: Array.from({ length: 2_000 }, () => 'x'),
      nextToken: `page ${(count += 1)}`,
    }),
  });
  await assert.rejects(repositoryNames(client), told(/a list that does not end/));
  assert.equal(asked(), 2, 'a token that comes again');
  await assert.rejects(pullRequestIds(client, 'a'), told(/a list that does not end/));
  assert.ok(asked() < 200, 'pages without anything on them');
  await assert.rejects(templatesOf(client, 'a'), told(/a list that does not end/));
});

test('a source that answers too much, too late or what is no answer is left, in one line', async (t) => {
  const big = 'x'.repeat(2 * 1024 * 1024);
  const cases: [Answer, RegExp][] = [
    [() => ({ pullRequest: { title: big } }), /more than 1 MiB about one thing/],
    [(_input, response) => void response.write(big), /more than 1 MiB about one thing/],
    [(_input, response) => void response.write('{'), /more than 0.3 s to answer/],
    [() => undefined, /more than 0.3 s to answer/],
    [() => '<html>\u001b[31mnot found</html>', /answers GetPullRequestCommand as no CodeCommit does/],
    [() => '', /pullRequest is missing/],
    [() => ({}), /pullRequest is missing/],
    [() => ({ pullRequest: null }), /pullRequest is missing/],
    [() => ({ pullRequest: { creationDate: 'soon' } }), /answers GetPullRequestCommand as no CodeCommit does/],
  ];
  for (const [answer, words] of cases) {
    const { client } = await hostile(t, { GetPullRequest: answer }, { maxMs: 300 });
    await assert.rejects(readPullRequest(client, '1'), told(words), String(words));
  }
  const { client } = await hostile(t, { ListPullRequests: () => ({ pullRequestIds: ['1', '\u001b[2J'] }) });
  await assert.rejects(pullRequestIds(client, 'a'), told(/a pull request of the number \[2J/));
});
