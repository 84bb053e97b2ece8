import assert from 'node:assert/strict';
import { test } from 'node:test';
import samples from './testdata/events.json' with { type: 'json' };
import { EVENT_FIELDS } from './testing/event-fields.ts';
import { eventSamples } from './testing/event-samples.ts';

test('each event has the fields that AWS documents, and no others', () => {
  const made = eventSamples();
  assert.equal(made.length, EVENT_FIELDS.length);
  for (const [at, [event, detailType, fields]] of EVENT_FIELDS.entries()) {
    const { source, detail, ...rest } = made[at]!;
    assert.equal(detail['event'], event);
    assert.equal(rest.detailType, detailType, event);
    assert.equal(source, 'aws.codecommit');
    assert.deepEqual(Object.keys(detail).sort(), [...fields].sort(), event);
    assert.doesNotMatch(JSON.stringify(detail), /secret words/, 'the content of a comment is in no event');
  }
});

test('the samples of the events are those in testdata', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(eventSamples())), samples, 'see testing/event-samples.ts');
});
