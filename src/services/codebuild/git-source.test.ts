import assert from 'node:assert/strict';
import { test } from 'node:test';
import { basicCredentials, cloneSource, GitSourceError } from './git-source.ts';

test('the password is what the credential helper of the AWS CLI makes', () => {
  const basic = basicCredentials({
    url: 'http://git-codecommit.us-east-1.amazonaws.com:4566/v1/repos/My',
    region: 'us-east-1',
    credentials: { accessKeyId: 'ASIAX', secretAccessKey: 'secretsecret', sessionToken: 'tok/en+x==', expiresAt: 0 },
    now: new Date('2026-11-20T11:34:55.123Z'),
    depth: 0,
    searchPath: '',
    signal: new AbortController().signal,
  });
  assert.equal(
    Buffer.from(basic, 'base64').toString(),
    'ASIAX%tok/en+x==:20261120T113455Z0b683b96d33941e2ca75c34d335c83a7bb62ca27b21da804ce835773cce53cc0',
  );
});

const HOSTILE = ['--upload-pack=id', '-h', 'a b', 'x\ny', 'a\0--exec=id', '@{-1}^{/x}', ':/x', 'HEAD~1', 'a:b', 'x[y'];
for (const version of HOSTILE) {
  test(`G1: the source version ${JSON.stringify(version)} never reaches git`, () =>
    assert.rejects(
      cloneSource({
        url: 'http://127.0.0.1:1/v1/repos/x',
        region: 'us-east-1',
        credentials: { accessKeyId: '', secretAccessKey: '', sessionToken: '', expiresAt: 0 },
        now: new Date(0),
        version,
        depth: 0,
        folder: '/nonexistent/folder',
        // Without a PATH, starting git would be another error.
        searchPath: '/nonexistent',
        signal: new AbortController().signal,
      }),
      (error) => error instanceof GitSourceError && /reference not found/.test(error.message),
    ));
}
