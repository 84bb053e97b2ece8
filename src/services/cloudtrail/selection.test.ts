import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as sdk from '@aws-sdk/client-cloudtrail';
import { isSelected, type SelectableEvent } from './selection.ts';

const CALL: SelectableEvent = {
  management: true,
  readOnly: false,
  eventName: 'CreateKey',
  eventSource: 'kms.amazonaws.com',
  eventType: 'AwsApiCall',
  userArn: 'arn:aws:iam::123456789012:user/bob',
  resources: ['arn:aws:kms:us-east-1:123456789012:key/1'],
};
const READ = { ...CALL, readOnly: true, eventName: 'ListKeys' };
const PUT = {
  ...CALL,
  management: false,
  eventName: 'PutObject',
  eventSource: 's3.amazonaws.com',
  resources: ['arn:aws:s3:::data/in/a'],
};

test('event selectors', () => {
  const object = (...Values: string[]) => ({ DataResources: [{ Type: 'AWS::S3::Object', Values }] });
  const cases: [sdk.EventSelector[], SelectableEvent, boolean][] = [
    [[{}], CALL, true],
    [[{}], READ, true],
    [[{}], PUT, false],
    [[{ ReadWriteType: 'ReadOnly' }], CALL, false],
    [[{ ReadWriteType: 'ReadOnly' }], READ, true],
    [[{ ReadWriteType: 'WriteOnly' }], READ, false],
    [[{ IncludeManagementEvents: false }], CALL, false],
    [[{ ExcludeManagementEventSources: ['kms.amazonaws.com'] }], CALL, false],
    [[{ IncludeManagementEvents: false }, {}], CALL, true],
    [[object('arn:aws:s3')], PUT, true],
    [[object('arn:aws:s3:::data/')], PUT, true],
    [[object('arn:aws:s3:::data/in')], PUT, true],
    [[object('arn:aws:s3:::dat')], PUT, true],
    [[object('arn:aws:s3:::data/out/')], PUT, false],
    [[{ ...object('arn:aws:s3'), ReadWriteType: 'ReadOnly' }], PUT, false],
    [[{ DataResources: [{ Type: 'AWS::Lambda::Function', Values: ['arn:aws:s3'] }] }], PUT, false],
  ];
  for (const [selectors, event, expected] of cases) {
    const trail = { selectors: JSON.stringify(selectors), advanced: 0 };
    assert.equal(isSelected(trail, event), expected, `${trail.selectors} ${event.eventName}`);
  }
});

test('advanced event selectors', () => {
  const data = { Field: 'eventCategory', Equals: ['Data'] };
  const management = { Field: 'eventCategory', Equals: ['Management'] };
  const cases: [sdk.AdvancedFieldSelector[], SelectableEvent, boolean][] = [
    [[management], CALL, true],
    [[management], PUT, false],
    [[data], PUT, true],
    [[data, { Field: 'resources.type', Equals: ['AWS::S3::Object'] }], PUT, true],
    [[data, { Field: 'resources.ARN', StartsWith: ['arn:aws:s3:::x', 'arn:aws:s3:::data/'] }], PUT, true],
    [[data, { Field: 'resources.ARN', NotStartsWith: ['arn:aws:s3:::data/'] }], PUT, false],
    [[data, { Field: 'resources.ARN', EndsWith: ['/b'] }], PUT, false],
    [[management, { Field: 'readOnly', Equals: ['true'] }], READ, true],
    [[management, { Field: 'readOnly', Equals: ['true'] }], CALL, false],
    [[management, { Field: 'eventSource', NotEquals: ['kms.amazonaws.com'] }], CALL, false],
    [[management, { Field: 'eventName', NotEquals: ['A', 'CreateKey'] }], CALL, false],
    [[management, { Field: 'eventName', StartsWith: ['Create'], NotEndsWith: ['Key'] }], CALL, false],
    [[management, { Field: 'userIdentity.arn', EndsWith: [':user/bob'] }], CALL, true],
    [[management, { Field: 'userIdentity.arn', EndsWith: ['x'] }], { ...CALL, userArn: undefined }, false],
  ];
  for (const [FieldSelectors, event, expected] of cases) {
    const trail = { selectors: JSON.stringify([{ FieldSelectors }]), advanced: 1 };
    assert.equal(isSelected(trail, event), expected, `${trail.selectors} ${event.eventName}`);
  }
});
