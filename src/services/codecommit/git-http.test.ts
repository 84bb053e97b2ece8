import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type TestServer, temporaryFolder } from '../../../test/harness.ts';
import { GitClient } from '../../git/harness.ts';
import { gitStoreOf } from './git-cache.ts';
import { type GitUser, gitUser, remoteOf, startWithRepository, workingCopy } from './harness.ts';

/** A repository with one commit on `main`, and alice's working copy of it. */
async function seeded(t: TestContext): Promise<{ server: TestServer; alice: GitUser; copy: GitClient }> {
  const { server, alice } = await startWithRepository(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('a.txt', 'hello\n');
  await copy.run('push', '-q', 'origin', 'main');
  return { server, alice, copy };
}

function allow(...statements: object[]): object {
  return { Version: '2012-10-17', Statement: statements };
}

async function records(server: TestServer, eventName: string): Promise<Record<string, unknown>[]> {
  const { Events = [] } = await server.root_.cloudtrail.lookupEvents({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: eventName }],
  });
  return Events.map((event) => JSON.parse(event.CloudTrailEvent!) as Record<string, unknown>);
}

test('what one user pushes with a git password, another clones, and the first branch is the default one', async (t) => {
  const { server, copy, alice } = await seeded(t);
  const bob = await gitUser(server, 'bob', allow({ Effect: 'Allow', Action: 'codecommit:GitPull', Resource: '*' }));
  const clone = new GitClient(await temporaryFolder(t));
  await clone.run('clone', '-q', bob.remote('app'), '.');
  assert.equal(await readFile(join(clone.folder, 'a.txt'), 'utf8'), 'hello\n');
  const { branch } = await alice.codecommit.getBranch({ repositoryName: 'app', branchName: 'main' });
  assert.equal(branch?.commitId, await copy.run('rev-parse', 'HEAD'));
  const { repositoryMetadata } = await alice.codecommit.getRepository({ repositoryName: 'app' });
  assert.equal(repositoryMetadata?.defaultBranch, 'main');
});

test('the address of the metadata is the one that git takes', async (t) => {
  const { server, alice } = await seeded(t);
  const { repositoryMetadata } = await alice.codecommit.getRepository({ repositoryName: 'app' });
  assert.equal(repositoryMetadata?.cloneUrlHttp, `${server.url}/v1/repos/app`);
  const url = new URL(repositoryMetadata.cloneUrlHttp);
  [url.username, url.password] = [encodeURIComponent(alice.userName), encodeURIComponent(alice.password)];
  const client = new GitClient(await temporaryFolder(t));
  assert.match(await client.run('ls-remote', url.href), /refs\/heads\/main$/m);
  assert.match(await client.run('ls-remote', `${url.href}.git`), /refs\/heads\/main$/m);
});

test('a push is there after a restart, and after the cache was deleted', async (t) => {
  const { server, alice, copy } = await seeded(t);
  await server.restart();
  const store = await gitStoreOf(server.kernel.serviceContext('codecommit.amazonaws.com'));
  await store.remove({ id: (await metadataOf(server)).repositoryId! } as never);
  const clone = new GitClient(await temporaryFolder(t));
  await clone.run('clone', '-q', alice.remote('app'), '.');
  assert.equal(await clone.run('rev-parse', 'HEAD'), await copy.run('rev-parse', 'HEAD'));
  await clone.run('fsck', '--strict');
});

async function metadataOf(server: TestServer) {
  const { repositoryMetadata } = await server.root_.codecommit.getRepository({ repositoryName: 'app' });
  return repositoryMetadata!;
}

test('G11: without a good password nothing is answered but 401, and no process is started', async (t) => {
  const { server, alice } = await seeded(t);
  const store = await gitStoreOf(server.kernel.serviceContext('codecommit.amazonaws.com'));
  const spawn = t.mock.method(store.surroundings.git, 'spawn');
  await server.root_.iam.createUser({ UserName: 'carol' });
  const other = await gitUser(server, 'bob');
  const header = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const credentials: [string, string | undefined][] = [
    ['none', undefined],
    ['a wrong password', header(alice.userName, 'wrong')],
    ['no password', header(alice.userName, '')],
    ['the password of another user', header(alice.userName, other.password)],
    ['a user without a password', header('carol-at-123456789012', other.password)],
    ["the user's name instead of the git user name", header('alice', alice.password)],
    ['a session token with a git password', header(`${alice.userName}%token`, alice.password)],
    ['a bearer token', `Bearer ${alice.password}`],
    ['a signature of the API', 'AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/codecommit/aws4_request'],
  ];
  const requests: [method: string, path: string][] = [
    ['GET', '/v1/repos/app/info/refs?service=git-upload-pack'],
    ['GET', '/v1/repos/app/info/refs?service=git-receive-pack'],
    ['POST', '/v1/repos/app/git-upload-pack'],
    ['POST', '/v1/repos/app/git-receive-pack'],
    ['GET', '/v1/repos/app/info/refs'],
    ['GET', '/v1/repos/app/HEAD'],
    ['GET', '/v1/repos/app/config'],
    ['GET', '/v1/repos/app/objects/info/packs'],
    ['GET', '/v1/repos/app'],
    ['GET', '/v1/repos/missing/info/refs?service=git-upload-pack'],
    ['PUT', '/v1/repos/app'],
    ['DELETE', '/v1/repos/app'],
  ];
  for (const [name, authorization] of credentials) {
    for (const [method, path] of requests) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const answer = await fetch(`${server.url}${path}`, { method, headers });
      assert.equal(answer.status, 401, `${name}: ${method} ${path}`);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic realm=/);
      await answer.text();
    }
  }
  assert.equal(spawn.mock.callCount(), 0);
});

test('G12: headers by which a proxy would name the user are ignored', async (t) => {
  const { server } = await seeded(t);
  const forged = ['x-webauth-user', 'x-remote-user', 'remote-user', 'x-forwarded-user', 'x-amz-security-token'];
  const headers = { ...Object.fromEntries(forged.map((name) => [name, 'alice'])), 'x-forwarded-for': '127.0.0.1' };
  const answer = await fetch(`${server.url}/v1/repos/app/info/refs?service=git-upload-pack`, { headers });
  assert.equal(answer.status, 401);
});

test('G11: a known user gets nothing but the four requests of smart HTTP', async (t) => {
  const { server, alice } = await seeded(t);
  const authorization = `Basic ${Buffer.from(`${alice.userName}:${alice.password}`).toString('base64')}`;
  const requests: [method: string, path: string, status: number][] = [
    ['GET', '/app/info/refs?service=git-upload-pack', 200],
    ['GET', '/app/info/refs?service=git-receive-pack', 200],
    ['GET', '/app/info/refs', 404],
    ['GET', '/app/info/refs?service=git-upload-archive', 404],
    ['GET', '/app/info/refs?service=git-upload-pack&service=git-receive-pack', 404],
    ['POST', '/app/info/refs?service=git-upload-pack', 404],
    ['GET', '/app/git-upload-pack', 404],
    ['GET', '/app/git-receive-pack', 404],
    ['POST', '/app/git-upload-archive', 404],
    ['GET', '/app/HEAD', 404],
    ['GET', '/app/config', 404],
    ['GET', '/app/objects/info/packs', 404],
    ['GET', '/app', 404],
    ['PUT', '/app', 404],
    ['GET', '/app//info/refs?service=git-upload-pack', 404],
    ['POST', '/app/git-upload-pack', 400],
    ['POST', '/app/git-receive-pack', 400],
  ];
  for (const [method, path, status] of requests) {
    const answer = await fetch(`${server.url}/v1/repos${path}`, { method, headers: { authorization } });
    assert.equal(answer.status, status, `${method} ${path}`);
    await answer.text();
  }
});

test('G2: names that climb out of a folder, and names of other repositories, lead nowhere', async (t) => {
  const { server, alice } = await seeded(t);
  const authorization = `Basic ${Buffer.from(`${alice.userName}:${alice.password}`).toString('base64')}`;
  const names = [
    '..',
    '.',
    '%2e%2e%2fapp',
    '..%5capp',
    '%252e%252e%252fapp',
    '..%2f..%2f..%2fetc',
    'APP',
    'App',
    'аpp', // a Cyrillic letter
    'app%00',
    'app%20',
    'app.git.git',
    'app.GIT',
    `${'a'.repeat(101)}`,
    '-oX',
  ];
  for (const name of names) {
    const path = `/v1/repos/${encodeURI(name).replaceAll('%25', '%')}/info/refs?service=git-upload-pack`;
    const answer = await rawGet(server, path, authorization);
    assert.ok([401, 404].includes(answer), `${name}: ${answer}`);
  }
});

/** fetch would tidy the path. */
async function rawGet(server: TestServer, path: string, authorization: string): Promise<number> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    request({ hostname, port, path, headers: { authorization } }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode!));
    })
      .once('error', reject)
      .end();
  });
}

test('a denied user gets 403 with the policy’s words, and the refusal is recorded', async (t) => {
  const { server } = await seeded(t);
  const bob = await gitUser(server, 'bob', allow({ Effect: 'Allow', Action: 's3:*', Resource: '*' }));
  const client = new GitClient(await temporaryFolder(t));
  const pull = await client.attempt(['ls-remote', bob.remote('app')]);
  assert.equal(pull.status, 128);
  assert.match(pull.stderr, /error: 403/);
  assert.match(
    pull.stderr,
    /User: arn:aws:iam::123456789012:user\/bob is not authorized to perform: codecommit:GitPull on resource: arn:aws:codecommit:us-east-1:123456789012:app/,
  );
  const [record] = await records(server, 'GitPull');
  assert.equal(record?.['errorCode'], 'AccessDenied');
  assert.equal((record!['userIdentity'] as Record<string, unknown>)['userName'], 'bob');
  assert.equal(
    (await records(server, 'GitPush')).some((one) => one['errorCode'] !== undefined),
    false,
  );
});

test('G11: a user who may only read cannot push, at whichever request he starts', async (t) => {
  const { server } = await seeded(t);
  const bob = await gitUser(server, 'bob', allow({ Effect: 'Allow', Action: 'codecommit:GitPull', Resource: '*' }));
  const copy = await workingCopy(t, bob.remote('app'));
  await copy.run('fetch', '-q', 'origin');
  await copy.run('checkout', '-q', '-B', 'main', 'origin/main');
  await copy.commitFile('b.txt', 'no\n');
  const push = await copy.attempt(['push', 'origin', 'main']);
  assert.match(push.stderr, /error: 403/);
  const authorization = `Basic ${Buffer.from(`${bob.userName}:${bob.password}`).toString('base64')}`;
  const answer = await fetch(`${server.url}/v1/repos/app/git-receive-pack`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/x-git-receive-pack-request' },
    body: '0000',
  });
  assert.equal(answer.status, 403);
  assert.equal((await records(server, 'GitPush')).filter((one) => one['errorCode'] === 'AccessDenied').length, 2);
});

/** AWS's own example of a policy that protects branches. */
const PROTECT_MAIN = {
  Effect: 'Deny',
  Action: ['codecommit:GitPush', 'codecommit:DeleteBranch', 'codecommit:PutFile', 'codecommit:CreateCommit'],
  Resource: '*',
  Condition: {
    StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
    Null: { 'codecommit:References': 'false' },
  },
};

test('a policy for references refuses one branch of a push and lets the other one through', async (t) => {
  const { server, copy } = await seeded(t);
  const everything = { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' };
  const bob = await gitUser(server, 'bob', allow(everything, PROTECT_MAIN));
  const before = await copy.run('rev-parse', 'main');
  await copy.commitFile('b.txt', 'b\n');
  const push = await copy.attempt(['push', bob.remote('app'), 'main', 'main:feature']);
  assert.equal(push.status, 1);
  assert.match(push.stderr, /\[new branch\]\s+main -> feature/);
  assert.match(
    push.stderr,
    /\[remote rejected\] main -> main \(User: arn:aws:iam::123456789012:user\/bob is not authorized/,
  );
  assert.match(push.stderr, /explicit deny/);
  const { codecommit } = server.root_;
  const tip = async (branchName: string) =>
    (await codecommit.getBranch({ repositoryName: 'app', branchName })).branch?.commitId;
  assert.equal(await tip('main'), before);
  assert.equal(await tip('feature'), await copy.run('rev-parse', 'main'));
  const atomic = await copy.attempt(['push', '--atomic', bob.remote('app'), 'main', 'main:other']);
  assert.equal(atomic.status, 1);
  await assert.rejects(codecommit.getBranch({ repositoryName: 'app', branchName: 'other' }), {
    name: 'BranchDoesNotExistException',
  });
  const refused = (await records(server, 'GitPush')).filter((one) => one['errorCode'] === 'AccessDenied');
  assert.deepEqual(
    refused.map((one) => one['requestParameters']),
    Array(2).fill({ references: [{ commit: await copy.run('rev-parse', 'main'), ref: 'refs/heads/main' }] }),
  );
});

test('the same policy holds for the API', async (t) => {
  const { server, copy } = await seeded(t);
  const everything = { Effect: 'Allow', Action: 'codecommit:*', Resource: '*' };
  const bob = await gitUser(server, 'bob', allow(everything, PROTECT_MAIN));
  const parentCommitId = await copy.run('rev-parse', 'main');
  const file = { repositoryName: 'app', parentCommitId, filePath: 'x', fileContent: Buffer.from('x') };
  await assert.rejects(bob.codecommit.putFile({ ...file, branchName: 'main' }), { name: 'AccessDeniedException' });
  await assert.rejects(
    bob.codecommit.createCommit({ repositoryName: 'app', branchName: 'main', parentCommitId, putFiles: [file] }),
    { name: 'AccessDeniedException' },
  );
  await bob.codecommit.createBranch({ repositoryName: 'app', branchName: 'feature', commitId: parentCommitId });
  await bob.codecommit.putFile({ ...file, branchName: 'feature' });
  await assert.rejects(bob.codecommit.deleteBranch({ repositoryName: 'app', branchName: 'main' }), {
    name: 'AccessDeniedException',
  });
});

test('an allowance for one branch alone does not open the door for others', async (t) => {
  const { server, copy } = await seeded(t);
  const carol = await gitUser(
    server,
    'carol',
    allow(
      { Effect: 'Allow', Action: ['codecommit:GitPull'], Resource: '*' },
      {
        Effect: 'Allow',
        Action: 'codecommit:GitPush',
        Resource: '*',
        Condition: { StringLikeIfExists: { 'codecommit:References': 'refs/heads/carol/*' } },
      },
    ),
  );
  await copy.run('push', '-q', carol.remote('app'), 'main:carol/one');
  const push = await copy.attempt(['push', carol.remote('app'), 'main:dave/one']);
  assert.match(push.stderr, /remote rejected.*not authorized to perform: codecommit:GitPush/);
  const tag = await copy.attempt(['push', carol.remote('app'), 'main:refs/tags/v1']);
  assert.match(tag.stderr, /remote rejected.*not authorized/);
});

test('S10: a git password that was switched off, reset or deleted is refused at once', async (t) => {
  const { server, alice } = await seeded(t);
  const { iam } = server.root_;
  const { ServiceSpecificCredentials: all = [] } = await iam.listServiceSpecificCredentials({ UserName: 'alice' });
  const id = { UserName: 'alice', ServiceSpecificCredentialId: all[0]!.ServiceSpecificCredentialId! };
  const client = new GitClient(await temporaryFolder(t));
  const works = async (password = alice.password) =>
    (await client.attempt(['ls-remote', remoteOf(server, 'app', alice.userName, password)])).status === 0;
  assert.equal(await works(), true);
  await iam.updateServiceSpecificCredential({ ...id, Status: 'Inactive' });
  assert.equal(await works(), false);
  await iam.updateServiceSpecificCredential({ ...id, Status: 'Active' });
  assert.equal(await works(), true);
  const { ServiceSpecificCredential: fresh } = await iam.resetServiceSpecificCredential(id);
  assert.equal(await works(), false);
  assert.equal(await works(fresh!.ServicePassword), true);
  await iam.deleteServiceSpecificCredential(id);
  assert.equal(await works(fresh!.ServicePassword), false);
});

test('S10: guessing passwords is stopped, even for the right one', async (t) => {
  const { server, alice } = await seeded(t);
  const ask = async (password: string) => {
    const authorization = `Basic ${Buffer.from(`${alice.userName}:${password}`).toString('base64')}`;
    const url = `${server.url}/v1/repos/app/info/refs?service=git-upload-pack`;
    return (await fetch(url, { headers: { authorization } })).status;
  };
  assert.equal(await ask(alice.password), 200);
  for (let guess = 0; guess < 20; guess += 1) assert.equal(await ask(`guess-${guess}`), 401);
  assert.equal(await ask(alice.password), 401);
});

test('pulls and pushes are recorded as AWS records them', async (t) => {
  const { server, alice, copy } = await seeded(t);
  await copy.run('fetch', '-q');
  const push = (await records(server, 'GitPush')).find((one) => one['requestParameters'] !== null);
  const { repositoryId } = await metadataOf(server);
  const data = { protocol: 'HTTP', dataTransferred: true, repositoryName: 'app', repositoryId };
  assert.deepEqual(push?.['additionalEventData'], data);
  const commit = await copy.run('rev-parse', 'main');
  assert.deepEqual(push['requestParameters'], { references: [{ commit, ref: 'refs/heads/main' }] });
  assert.equal(push['readOnly'], false);
  assert.match(push['userAgent'] as string, /^git\//);
  assert.equal((push['userIdentity'] as Record<string, unknown>)['arn'], 'arn:aws:iam::123456789012:user/alice');
  const pulls = await records(server, 'GitPull');
  assert.ok(pulls.length >= 2);
  assert.equal(pulls[0]?.['readOnly'], true);
  const text = JSON.stringify([push, ...pulls]);
  assert.equal(text.includes(alice.password), false);
});

test('the default branch cannot be deleted by a push', async (t) => {
  const { copy } = await seeded(t);
  const result = await copy.attempt(['push', 'origin', ':main']);
  assert.match(result.stderr, /\[remote rejected\] main \(deletion of the current branch prohibited\)/);
});

test('the first of several branches that come at once is main', async (t) => {
  const { server, alice } = await startWithRepository(t);
  const copy = await workingCopy(t, alice.remote('app'));
  await copy.commitFile('a.txt', 'hello\n');
  await copy.run('push', '-q', 'origin', 'main:a', 'main:main', 'main:z');
  assert.equal((await metadataOf(server)).defaultBranch, 'main');
});

test('a repository that does not exist is a plain 404 for those who may look', async (t) => {
  const { alice } = await startWithRepository(t);
  const client = new GitClient(await temporaryFolder(t));
  const result = await client.attempt(['ls-remote', alice.remote('missing')]);
  assert.match(result.stderr, /repository '.*missing.*' not found/);
});
