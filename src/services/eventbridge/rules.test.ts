import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { matching } from './matching.ts';
import { tables } from './store.ts';

const PATTERN = JSON.stringify({ source: ['app'] });
const ACCOUNT = '123456789012';
const TRUST = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};
const PIPELINE = `arn:aws:codepipeline:us-east-1:${ACCOUNT}:p`;

async function setUp(t: TestContext) {
  const server = await startServer(t);
  const { iam, events } = server.root_;
  const { Role } = await iam.createRole({ RoleName: 'rule', AssumeRolePolicyDocument: JSON.stringify(TRUST) });
  return { server, events, roleArn: Role!.Arn! };
}

describe('rules', () => {
  test('are put, described, listed, disabled, enabled, deleted', async (t) => {
    const { events } = await setUp(t);
    const put = await events.putRule({ Name: 'r', EventPattern: PATTERN, Description: 'd' });
    assert.equal(put.RuleArn, `arn:aws:events:us-east-1:${ACCOUNT}:rule/r`);
    const { $metadata: _, ...described } = await events.describeRule({ Name: 'r' });
    const rule = {
      Name: 'r',
      Arn: put.RuleArn,
      EventPattern: PATTERN,
      State: 'ENABLED',
      Description: 'd',
      EventBusName: 'default',
    };
    assert.deepEqual(described, { ...rule, CreatedBy: ACCOUNT });
    assert.deepEqual((await events.listRules({})).Rules, [rule]);
    await events.disableRule({ Name: 'r' });
    assert.equal((await events.describeRule({ Name: 'r' })).State, 'DISABLED');
    await events.enableRule({ Name: 'r' });
    assert.equal((await events.describeRule({ Name: 'r' })).State, 'ENABLED');
    await events.putRule({ Name: 'r', ScheduleExpression: 'rate(1 hour)' });
    const replaced = await events.describeRule({ Name: 'r' });
    assert.deepEqual(
      [replaced.EventPattern, replaced.ScheduleExpression, replaced.Description],
      [undefined, 'rate(1 hour)', undefined],
    );
    await events.deleteRule({ Name: 'r' });
    await events.deleteRule({ Name: 'r' });
    await assert.rejects(events.describeRule({ Name: 'r' }), {
      name: 'ResourceNotFoundException',
      message: 'Rule r does not exist on EventBus default.',
    });
  });

  test('are listed page by page and by prefix', async (t) => {
    const { events } = await setUp(t);
    for (const Name of ['b2', 'a1', 'b1', 'b3', 'c']) await events.putRule({ Name, EventPattern: PATTERN });
    const first = await events.listRules({ NamePrefix: 'b', Limit: 2 });
    assert.deepEqual(
      first.Rules!.map(({ Name }) => Name),
      ['b1', 'b2'],
    );
    const second = await events.listRules({ NamePrefix: 'b', Limit: 2, NextToken: first.NextToken });
    assert.deepEqual([second.Rules!.map(({ Name }) => Name), second.NextToken], [['b3'], undefined]);
    await assert.rejects(events.listRules({ NamePrefix: 'c', NextToken: first.NextToken }), {
      name: 'ValidationException',
    });
  });

  const refusals: [string, Parameters<Awaited<ReturnType<typeof setUp>>['events']['putRule']>[0], string, RegExp][] = [
    [
      'nothing to match',
      { Name: 'r' },
      'ValidationException',
      /^Parameter\(s\) EventPattern or ScheduleExpression must be specified\.$/,
    ],
    [
      'a bad pattern',
      { Name: 'r', EventPattern: '{"source": "app"}' },
      'InvalidEventPatternException',
      /^Event pattern is not valid\. Reason: "source" must be an object or an array\n at/,
    ],
    [
      'a bad schedule',
      { Name: 'r', ScheduleExpression: 'rate(1 minutes)' },
      'ValidationException',
      /^Parameter ScheduleExpression is not valid\.$/,
    ],
    [
      'a bad name',
      { Name: 'r r', EventPattern: PATTERN },
      'ValidationException',
      /Member must satisfy regular expression pattern/,
    ],
    [
      'another bus',
      { Name: 'r', EventPattern: PATTERN, EventBusName: 'own' },
      'ResourceNotFoundException',
      /^Event bus own does not exist\.$/,
    ],
    [
      'calls as events',
      { Name: 'r', EventPattern: PATTERN, State: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS' },
      'ValidationException',
      /not implemented/,
    ],
  ];
  for (const [what, input, name, message] of refusals) {
    test(`refused: ${what}`, async (t) => {
      const { events } = await setUp(t);
      await assert.rejects(events.putRule(input), (error: Error) => {
        assert.equal(error.name, name);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('are at most 300 on a bus, so that an event has at most 1,500 deliveries', async (t) => {
    const { server, events } = await setUp(t);
    await events.putRule({ Name: 'first', EventPattern: PATTERN });
    const ctx = server.kernel.serviceContext('events.amazonaws.com');
    await ctx.tx(async (tx) => {
      const [row] = await tables(tx).selectFrom('eventbridge_rules').selectAll().execute();
      const more = Array.from({ length: 299 }, (_, at) => ({ ...row!, id: `more-${at}`, name: `more-${at}` }));
      await tables(tx).insertInto('eventbridge_rules').values(more).execute();
    });
    const full = { name: 'LimitExceededException' };
    await assert.rejects(events.putRule({ Name: 'one-more', EventPattern: PATTERN }), full);
    await events.putRule({ Name: 'first', EventPattern: PATTERN, Description: 'still changes' });
    await events.deleteRule({ Name: 'more-0' });
    const both = await Promise.allSettled(['x', 'y'].map((Name) => events.putRule({ Name, EventPattern: PATTERN })));
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  test('all that match have a delivery for each of their targets, once, however many they are', async (t) => {
    const { server, events } = await setUp(t);
    await events.putRule({ Name: 'first', EventPattern: PATTERN });
    const ctx = server.kernel.serviceContext('events.amazonaws.com');
    await ctx.tx(async (tx) => {
      const [row] = await tables(tx).selectFrom('eventbridge_rules').selectAll().execute();
      const rules = Array.from({ length: 300 }, (_, at) => ({ ...row!, id: `r${at}`, name: `r${at}` }));
      await tables(tx).deleteFrom('eventbridge_rules').execute();
      await tables(tx).insertInto('eventbridge_rules').values(rules).execute();
      const arn = 'arn:aws:logs:us-east-1:123456789012:log-group:x';
      const targets = rules.flatMap(({ id }) =>
        ['1', '2', '3', '4', '5'].map((target_id) => ({ rule_id: id, target_id, arn, target: '{}' })),
      );
      await tables(tx).insertInto('eventbridge_targets').values(targets).execute();
    });
    const event = {
      id: 'e',
      source: 'app',
      detailType: 'x',
      account: ACCOUNT,
      region: 'us-east-1',
      time: '',
      resources: [],
      detail: {},
    };
    const noted = async () => (await tables(ctx).selectFrom('eventbridge_deliveries').select('id').execute()).length;
    await matching.handle(event, ctx);
    const first = await noted();
    await matching.handle(event, ctx);
    assert.deepEqual([first, await noted()], [1_500, 1_500]);
  });

  test('carry tags', async (t) => {
    const { server, events } = await setUp(t);
    const { RuleArn: ResourceARN } = await events.putRule({
      Name: 'r',
      EventPattern: PATTERN,
      Tags: [{ Key: 'a', Value: '1' }],
    });
    await events.tagResource({ ResourceARN, Tags: [{ Key: 'b', Value: '2' }] });
    await events.untagResource({ ResourceARN, TagKeys: ['a'] });
    assert.deepEqual((await events.listTagsForResource({ ResourceARN })).Tags, [{ Key: 'b', Value: '2' }]);
    const ofCreator = async (name: string, account: string) => {
      const Condition = { StringEquals: { 'events:creatorAccount': account } };
      const Statement = [{ Effect: 'Allow', Action: 'events:*', Resource: '*', Condition }];
      return (await server.user(name, { Version: '2012-10-17', Statement })).events;
    };
    const own = await ofCreator('own', ACCOUNT);
    await own.tagResource({ ResourceARN, Tags: [{ Key: 'c', Value: '3' }] });
    await own.untagResource({ ResourceARN, TagKeys: ['c'] });
    await own.listTagsForResource({ ResourceARN });
    const other = await ofCreator('other', '999999999999');
    const denied = { name: 'AccessDeniedException' };
    await assert.rejects(other.tagResource({ ResourceARN, Tags: [{ Key: 'c', Value: '3' }] }), denied);
    await assert.rejects(other.untagResource({ ResourceARN, TagKeys: ['b'] }), denied);
    await assert.rejects(other.listTagsForResource({ ResourceARN }), denied);
    await assert.rejects(events.listTagsForResource({ ResourceARN: `${ResourceARN}x` }), {
      name: 'ResourceNotFoundException',
    });
    await assert.rejects(events.tagResource({ ResourceARN, Tags: [{ Key: 'aws:x', Value: '' }] }), {
      name: 'ValidationException',
    });
  });
});

describe('targets', () => {
  test('are put, replaced, listed, removed; a rule with targets stays', async (t) => {
    const { events, roleArn } = await setUp(t);
    await events.putRule({ Name: 'r', EventPattern: PATTERN });
    const target = { Id: 't', Arn: PIPELINE, RoleArn: roleArn };
    const put = await events.putTargets({ Rule: 'r', Targets: [target] });
    assert.deepEqual([put.FailedEntryCount, put.FailedEntries], [0, []]);
    const changed = { ...target, Input: '{"variables":[]}' };
    await events.putTargets({ Rule: 'r', Targets: [changed, { ...target, Id: 'u' }] });
    assert.deepEqual((await events.listTargetsByRule({ Rule: 'r' })).Targets, [changed, { ...target, Id: 'u' }]);
    assert.deepEqual((await events.listRuleNamesByTarget({ TargetArn: PIPELINE })).RuleNames, ['r']);
    await assert.rejects(events.deleteRule({ Name: 'r' }), {
      name: 'ValidationException',
      message: "Rule can't be deleted since it has targets.",
    });
    await events.removeTargets({ Rule: 'r', Ids: ['t', 'u'] });
    assert.deepEqual((await events.listRuleNamesByTarget({ TargetArn: PIPELINE })).RuleNames, []);
    await events.deleteRule({ Name: 'r' });
  });

  test('are at most five', async (t) => {
    const { events, roleArn } = await setUp(t);
    await events.putRule({ Name: 'r', EventPattern: PATTERN });
    const targets = [...'abcdef'].map((Id) => ({ Id, Arn: PIPELINE, RoleArn: roleArn }));
    await assert.rejects(events.putTargets({ Rule: 'r', Targets: targets }), {
      name: 'LimitExceededException',
      message: 'The requested resource exceeds the maximum number allowed.',
    });
    assert.deepEqual((await events.listTargetsByRule({ Rule: 'r' })).Targets, []);
  });

  test('are refused by name where they would be ignored', async (t) => {
    const { events, roleArn } = await setUp(t);
    await events.putRule({ Name: 'r', EventPattern: PATTERN });
    const target = { Id: 't', Arn: PIPELINE, RoleArn: roleArn };
    const refusals: [object, RegExp][] = [
      [{ ...target, RoleArn: undefined }, /^RoleArn is required for target arn:aws:codepipeline/],
      [{ Id: 't', Arn: `arn:aws:sqs:us-east-1:${ACCOUNT}:q` }, /targets of the kind arn:aws:sqs.* are not implemented/],
      [{ Id: 't', Arn: 'p' }, /Provided Arn is not in correct format/],
      [
        { ...target, DeadLetterConfig: { Arn: `arn:aws:sqs:us-east-1:${ACCOUNT}:q` } },
        /DeadLetterConfig is not implemented/,
      ],
      [
        { ...target, Input: '{}', InputPath: '$' },
        /^Only one of Input, InputPath, or InputTransformer must be provided for target t\.$/,
      ],
    ];
    for (const [one, message] of refusals) {
      await assert.rejects(events.putTargets({ Rule: 'r', Targets: [one as typeof target] }), {
        name: 'ValidationException',
        message,
      });
    }
    await assert.rejects(events.putTargets({ Rule: 'gone', Targets: [target] }), { name: 'ResourceNotFoundException' });
  });

  test('I10: a role is passed only by whoever may pass it', async (t) => {
    const { server, events, roleArn } = await setUp(t);
    await events.putRule({ Name: 'r', EventPattern: PATTERN });
    const Targets = [{ Id: 't', Arn: PIPELINE, RoleArn: roleArn }];
    const statement = (Action: string, Resource: string) => ({ Effect: 'Allow', Action, Resource });
    const mallory = await server.user('mallory', { Version: '2012-10-17', Statement: [statement('events:*', '*')] });
    await assert.rejects(
      mallory.events.putTargets({ Rule: 'r', Targets }),
      /not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role\/rule/,
    );
    await assert.rejects(
      mallory.events.putRule({ Name: 'x', EventPattern: PATTERN, RoleArn: roleArn }),
      /iam:PassRole/,
    );
    const alice = await server.user('alice', {
      Version: '2012-10-17',
      Statement: [statement('events:*', '*'), statement('iam:PassRole', roleArn)],
    });
    await alice.events.putTargets({ Rule: 'r', Targets });
  });
});

describe('the bus', () => {
  test('is the default one', async (t) => {
    const { events } = await setUp(t);
    const bus = { Name: 'default', Arn: `arn:aws:events:us-east-1:${ACCOUNT}:event-bus/default` };
    const { $metadata: _, ...described } = await events.describeEventBus({});
    assert.deepEqual(described, bus);
    assert.deepEqual((await events.listEventBuses({})).EventBuses, [bus]);
    assert.deepEqual((await events.listEventBuses({ NamePrefix: 'x' })).EventBuses, []);
    await assert.rejects(events.describeEventBus({ Name: 'own' }), { name: 'ResourceNotFoundException' });
  });

  test('tells whether a pattern matches', async (t) => {
    const { events } = await setUp(t);
    const event = {
      id: '1',
      account: ACCOUNT,
      source: 'app',
      time: '2026-01-01T00:00:00Z',
      region: 'us-east-1',
      resources: [],
      'detail-type': 'x',
      detail: {},
    };
    const answer = async (Event: unknown) =>
      (await events.testEventPattern({ EventPattern: PATTERN, Event: JSON.stringify(Event) })).Result;
    assert.equal(await answer(event), true);
    assert.equal(await answer({ ...event, source: 'other' }), false);
    const { id: _, ...incomplete } = event;
    for (const bad of [incomplete, 'text', [1]]) {
      await assert.rejects(answer(bad), { name: 'ValidationException', message: 'Parameter Event is not valid.' });
    }
  });

  test('takes events that are well-formed and says what is wrong with the others', async (t) => {
    const { events } = await setUp(t);
    const entry = { Source: 'app', DetailType: 'x', Detail: '{"a":1}' };
    const answer = await events.putEvents({
      Entries: [
        entry,
        { ...entry, Source: undefined },
        { ...entry, DetailType: undefined },
        { ...entry, Detail: undefined },
        { ...entry, Detail: '[1]' },
        { ...entry, Detail: `{"a":${'['.repeat(300)}${']'.repeat(300)}}` },
        { ...entry, Source: 'aws.codebuild' },
        { ...entry, Source: 'slipway.s3' },
      ],
    });
    assert.equal(answer.FailedEntryCount, 7);
    assert.match(answer.Entries![0]!.EventId!, /^[0-9a-f-]{36}$/);
    assert.deepEqual(
      answer.Entries!.slice(1).map(({ ErrorCode, ErrorMessage }) => [ErrorCode, ErrorMessage]),
      [
        ['InvalidArgument', 'Parameter Source is not valid. Reason: Source is a required argument.'],
        ['InvalidArgument', 'Parameter DetailType is not valid. Reason: DetailType is a required argument.'],
        ['InvalidArgument', 'Parameter Detail is not valid. Reason: Detail is a required argument.'],
        ['MalformedDetail', 'Detail is malformed.'],
        ['MalformedDetail', 'Detail is malformed.'],
        ['NotAuthorizedForSourceException', 'Not authorized for the source.'],
        ['NotAuthorizedForSourceException', 'Not authorized for the source.'],
      ],
    );
    await assert.rejects(
      events.putEvents({ Entries: [{ ...entry, Detail: JSON.stringify({ a: 'x'.repeat(262_144) }) }] }),
      {
        name: 'ValidationException',
        message: 'Total size of the entries in the request is over the limit.',
      },
    );
  });
});
