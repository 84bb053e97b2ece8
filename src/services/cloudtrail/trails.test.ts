import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../../test/harness.ts';
import { bucketPolicy, trailArnOf, trailBucket } from './harness.ts';

test('a trail is made, changed, described, listed, tagged and deleted', async (t) => {
  const server = await startServer(t);
  const { cloudtrail, s3 } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  const made = await cloudtrail.createTrail({
    Name: 'main',
    S3BucketName: 'logs',
    TagsList: [{ Key: 'team', Value: 'security' }],
  });
  const arn = trailArnOf('main');
  assert.equal(made.TrailARN, arn);
  assert.equal(made.IncludeGlobalServiceEvents, true);
  assert.equal(made.LogFileValidationEnabled, false);
  const { ResourceTagList } = await cloudtrail.listTags({ ResourceIdList: [arn] });
  assert.deepEqual(ResourceTagList, [{ ResourceId: arn, TagsList: [{ Key: 'team', Value: 'security' }] }]);
  await cloudtrail.removeTags({ ResourceId: arn, TagsList: [{ Key: 'team' }] });

  const status = await cloudtrail.getTrailStatus({ Name: 'main' });
  assert.equal(status.IsLogging, false);
  await cloudtrail.startLogging({ Name: arn });
  assert.equal((await cloudtrail.getTrailStatus({ Name: 'main' })).IsLogging, true);

  const changed = await cloudtrail.updateTrail({
    Name: 'main',
    EnableLogFileValidation: true,
    IsMultiRegionTrail: true,
  });
  assert.equal(changed.LogFileValidationEnabled, true);
  const { Trail } = await cloudtrail.getTrail({ Name: 'main' });
  assert.deepEqual(
    [Trail?.HomeRegion, Trail?.IsMultiRegionTrail, Trail?.HasCustomEventSelectors, Trail?.S3BucketName],
    ['us-east-1', true, false, 'logs'],
  );
  const { EventSelectors } = await cloudtrail.getEventSelectors({ TrailName: 'main' });
  assert.deepEqual(EventSelectors, [
    { ReadWriteType: 'All', IncludeManagementEvents: true, DataResources: [], ExcludeManagementEventSources: [] },
  ]);
  await assert.rejects(cloudtrail.getInsightSelectors({ TrailName: 'main' }), { name: 'InsightNotEnabledException' });

  // Another region sees the trail of all regions, and may not change it.
  const elsewhere = server.clients(server.root, 'eu-west-1').cloudtrail;
  assert.equal((await elsewhere.describeTrails({})).trailList?.[0]?.TrailARN, arn);
  assert.deepEqual((await elsewhere.describeTrails({ includeShadowTrails: false })).trailList, []);
  await assert.rejects(elsewhere.stopLogging({ Name: arn }), { name: 'InvalidHomeRegionException' });
  assert.deepEqual((await elsewhere.listTrails({})).Trails, [{ TrailARN: arn, Name: 'main', HomeRegion: 'us-east-1' }]);

  await cloudtrail.deleteTrail({ Name: 'main' });
  await assert.rejects(cloudtrail.getTrail({ Name: 'main' }), {
    name: 'TrailNotFoundException',
    message: `Unknown trail: ${arn} for the user: 123456789012`,
  });
  assert.deepEqual(
    (await s3.listObjectsV2({ Bucket: 'logs' })).Contents?.map(({ Key }) => Key),
    ['AWSLogs/123456789012/CloudTrail/'],
  );
});

test('a trail that could not deliver is not made', async (t) => {
  const server = await startServer(t);
  const { cloudtrail, s3 } = server.root_;
  const create = (input: object) => cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs', ...input });
  await assert.rejects(create({}), { name: 'S3BucketDoesNotExistException' });
  await s3.createBucket({ Bucket: 'logs' });
  await assert.rejects(create({}), {
    name: 'InsufficientS3BucketPolicyException',
    message: 'Incorrect S3 bucket policy is detected for bucket: logs',
  });
  // The policy of another trail does not do: no deputy is confused.
  await s3.putBucketPolicy({ Bucket: 'logs', Policy: bucketPolicy('logs', trailArnOf('other')) });
  await assert.rejects(create({}), { name: 'InsufficientS3BucketPolicyException' });
  await s3.putBucketPolicy({ Bucket: 'logs', Policy: bucketPolicy('logs', trailArnOf('main')) });
  await assert.rejects(create({ S3KeyPrefix: 'elsewhere' }), { name: 'InsufficientS3BucketPolicyException' });
  await assert.rejects(create({ S3KeyPrefix: '/x' }), { name: 'InvalidS3PrefixException' });
  await assert.rejects(create({ S3KeyPrefix: 'x'.repeat(201) }), { name: 'InvalidS3PrefixException' });
  for (const [name, message] of [
    ['a', /^Trail name too short. Minimum allowed length: 3 characters. Specified name length: 1 characters.$/],
    ['x'.repeat(129), /^Trail name too long. .* Specified name length: 129 characters.$/],
    ['-trail', /^Trail name must starts with a letter or number.$/],
    ['trail-', /^Trail name must ends with a letter or number.$/],
    ['tra il', /^Trail name or ARN can only contain /],
    ['my--trail', /in a row/],
    ['my_-trail', /in a row/],
    ['192.168.5.4', /IP address/],
  ] as const) {
    await assert.rejects(create({ Name: name }), { name: 'InvalidTrailNameException', message }, name);
  }
  await assert.rejects(create({ IsMultiRegionTrail: true, IncludeGlobalServiceEvents: false }), {
    name: 'InvalidParameterCombinationException',
  });
  await assert.rejects(create({ IsOrganizationTrail: true }), { name: 'OrganizationsNotInUseException' });
  await assert.rejects(create({ SnsTopicName: 'topic' }), { name: 'UnsupportedOperationException' });
  const group = 'arn:aws:logs:us-east-1:123456789012:log-group:trail:*';
  await assert.rejects(create({ CloudWatchLogsLogGroupArn: group }), { name: 'InvalidParameterCombinationException' });
  await assert.rejects(
    create({ CloudWatchLogsLogGroupArn: group, CloudWatchLogsRoleArn: 'arn:aws:iam::123456789012:role/none' }),
    { name: 'InvalidCloudWatchLogsRoleArnException' },
  );
  assert.deepEqual((await cloudtrail.listTrails({})).Trails, []);
  await create({});
  await assert.rejects(create({}), { name: 'TrailAlreadyExistsException' });
  for (const name of ['two', 'three', 'four', 'five', 'six']) {
    await s3.putBucketPolicy({ Bucket: 'logs', Policy: bucketPolicy('logs', trailArnOf(name)) });
    const making = create({ Name: name });
    if (name === 'six') await assert.rejects(making, { name: 'MaximumNumberOfTrailsExceededException' });
    else await making;
  }
  assert.equal((await cloudtrail.listTrails({})).Trails?.length, 5);
});

test('selectors that say nothing or too much are refused', async (t) => {
  const server = await startServer(t);
  const { cloudtrail } = server.root_;
  await trailBucket(server.root_, 'logs', 'main');
  await cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs' });
  const put = (input: object) => cloudtrail.putEventSelectors({ TrailName: 'main', ...input });
  const refused = { name: 'InvalidEventSelectorsException' };
  const resource = (Type: string, Values: string[]) => ({ EventSelectors: [{ DataResources: [{ Type, Values }] }] });
  const advanced = (...FieldSelectors: object[]) => ({ AdvancedEventSelectors: [{ FieldSelectors }] });
  const management = { Field: 'eventCategory', Equals: ['Management'] };
  const refusals = [
    {},
    { EventSelectors: [] },
    { EventSelectors: Array(6).fill({}) },
    { EventSelectors: [{}], ...advanced(management) },
    resource('AWS::Made::Up', ['arn:aws:s3']),
    resource('AWS::S3::Object', ['logs/']),
    resource('AWS::S3::Object', Array(251).fill('arn:aws:s3:::x/')),
    { EventSelectors: [{ ExcludeManagementEventSources: ['iam.amazonaws.com'] }] },
    advanced({ Field: 'eventName', Equals: ['x'] }),
    advanced(management, { Field: 'madeUp', Equals: ['x'] }),
    advanced(management, { Field: 'eventName' }),
    advanced(management, { Field: 'readOnly', StartsWith: ['t'] }),
    advanced({ Field: 'eventCategory', Equals: ['Data'] }),
    advanced(management, { Field: 'eventName', Equals: Array(501).fill('x') }),
  ];
  await Promise.all(refusals.map((input) => assert.rejects(put(input), refused, JSON.stringify(input).slice(0, 200))));
  await put(resource('AWS::S3::Object', ['arn:aws:s3:::data/']));
  assert.equal((await cloudtrail.getTrail({ Name: 'main' })).Trail?.HasCustomEventSelectors, true);
  const data = advanced(
    { Field: 'eventCategory', Equals: ['Data'] },
    { Field: 'resources.type', Equals: ['AWS::S3::Object'] },
  );
  await put(data);
  const { AdvancedEventSelectors, EventSelectors } = await cloudtrail.getEventSelectors({ TrailName: 'main' });
  assert.deepEqual(AdvancedEventSelectors, data.AdvancedEventSelectors);
  assert.equal(EventSelectors, undefined);
});

test('a user without permission makes no trail and stops none', async (t) => {
  const server = await startServer(t);
  await trailBucket(server.root_, 'logs', 'main');
  await server.root_.cloudtrail.createTrail({ Name: 'main', S3BucketName: 'logs' });
  await server.root_.cloudtrail.startLogging({ Name: 'main' });
  const reader = await server.user('reader', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['cloudtrail:Get*', 'cloudtrail:Describe*'], Resource: '*' }],
  });
  await assert.rejects(reader.cloudtrail.stopLogging({ Name: 'main' }), {
    name: 'AccessDeniedException',
    message:
      /not authorized to perform: cloudtrail:StopLogging on resource: arn:aws:cloudtrail:us-east-1:123456789012:trail\/main/,
  });
  const refusals = [
    reader.cloudtrail.createTrail({ Name: 'second', S3BucketName: 'logs' }),
    reader.cloudtrail.deleteTrail({ Name: 'main' }),
    reader.cloudtrail.putEventSelectors({ TrailName: 'main', EventSelectors: [{}] }),
    reader.cloudtrail.updateTrail({ Name: 'main', S3BucketName: 'elsewhere' }),
  ];
  await Promise.all(refusals.map((call) => assert.rejects(call, { name: 'AccessDeniedException' })));
  assert.equal((await reader.cloudtrail.getTrailStatus({ Name: 'main' })).IsLogging, true);
});
