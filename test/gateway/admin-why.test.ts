// Holds each sentence about why a connection is slow to the facts that it stands for.

import { expect, test } from 'vitest';
import { type Circumstances, type ConnectionFacts, why } from '../../src/gateway/admin.ts';
import { SETTINGS } from '../../src/settings/settings.ts';

const CALM: ConnectionFacts = {
  id: '0123456789abcdef',
  address: '127.0.0.1',
  principal: 'local',
  codec: 'json',
  openMs: 60_000,
  bytesPerSec: 2_048,
  sentBytes: 100_000,
  ageMs: 0,
  roundTripMs: 0.4,
  windowBytes: 61_440,
  unansweredBytes: 0,
  pace: { pace: 'real-time', priority: 9 },
  block: null,
  queuedBytes: 0,
  subscriptions: 7,
  behind: 0,
  bytesPerSecMax: 0,
  clientLagMs: null,
};
const NOTHING: Circumstances = { pingAgeMs: null, limitedBy: 'client', lacking: 0, updatesBehindMost: 0 };

test.each<readonly [string, Partial<ConnectionFacts>, Partial<Circumstances>, string[]]>([
  ['that it keeps up', {}, {}, ['It keeps up: nothing is behind and the last ping was answered in 0.4 ms.']],
  [
    'that it keeps up on a machine of its own',
    { roundTripMs: 0.04 },
    {},
    ['It keeps up: nothing is behind and the last ping was answered in 0.04 ms.'],
  ],
  [
    'that it keeps up, not pinged yet',
    { roundTripMs: null },
    { pingAgeMs: 1_000 },
    ['It keeps up: nothing is behind and no ping has been answered so far.'],
  ],
  [
    'that it keeps up, as its client says too',
    { clientLagMs: 80 },
    {},
    ['It keeps up: nothing is behind and the last ping was answered in 0.4 ms.'],
  ],
  [
    'that its client is late by itself',
    { clientLagMs: 2_500 },
    {},
    ['Its client says that what it shows is 2.5 s old: what is sent arrives late, or is taken in late.'],
  ],
  [
    'that its role allows no more',
    { block: 'budget', bytesPerSecMax: 5_000 },
    { limitedBy: 'entitlement' },
    ['Its byte budget of 5,000 bytes a second (all that its role allows) is used up.'],
  ],
  ['that nothing is due', { subscriptions: 0 }, {}, ['It has no subscriptions: nothing is due to it.']],
  [
    'that its window is full, since when, and what it waits for',
    { block: 'window', unansweredBytes: 61_440 },
    { pingAgeMs: 3_210 },
    [
      'Its peer has not answered 61,440 bytes for 3.2 s: the window of 61,440 bytes is full, nothing more is sent until a pong comes.',
    ],
  ],
  [
    'that its window has no room',
    { block: 'window', unansweredBytes: 300, windowBytes: 512 },
    {},
    [
      'Its peer has not answered 300 bytes: the window of 512 bytes has no room for the next message, nothing more is sent until a pong comes.',
    ],
  ],
  [
    'that the socket buffers',
    { block: 'socket', queuedBytes: 12_000 },
    {},
    ['12,000 bytes wait for the socket: the kernel takes no more until the peer reads.'],
  ],
  [
    'whose budget is used up: the client’s',
    { block: 'budget', bytesPerSecMax: 20_000 },
    {},
    ['Its byte budget of 20,000 bytes a second (asked for by the client) is used up.'],
  ],
  [
    'whose budget is used up: the operator’s',
    { block: 'budget', bytesPerSecMax: 20_000 },
    { limitedBy: 'operator' },
    [
      `Its byte budget of 20,000 bytes a second (set by the operator: ${SETTINGS.connectionBytesPerSecMax.env}) is used up.`,
    ],
  ],
  [
    'that its link takes less than what is due',
    { pace: { pace: 'conflated', priority: 9 }, roundTripMs: 412 },
    {},
    [
      'It was sent 2,048 bytes in the last second, with a round trip of 412 ms: what was due needed more, so updates are merged.',
    ],
  ],
  [
    'what its link and its budget are where either may be the reason',
    { pace: { pace: 'conflated', priority: 9 }, roundTripMs: 12.3, bytesPerSecMax: 3_000 },
    {},
    [
      'It was sent 2,048 bytes in the last second, with a round trip of 12 ms and a budget of 3,000 bytes a second: what was due needed more, so updates are merged.',
    ],
  ],
  [
    'at which pace it is served: slower',
    { pace: { pace: 'slower', priority: 5 }, roundTripMs: null },
    {},
    [
      'It was sent 2,048 bytes in the last second: what was due needed more, so updates are merged.',
      'It is served at the pace `slower`: nothing of priority 5 and below is sent more often than every 1,000 ms, trades and raw subscriptions aside.',
    ],
  ],
  [
    'at which pace it is served: top',
    { pace: { pace: 'top', priority: 2 }, roundTripMs: null },
    {},
    [
      'It was sent 2,048 bytes in the last second: what was due needed more, so updates are merged.',
      'It is served at the pace `top`: books of priority 2 and below are cut to the best level, and nothing is sent more often than every 1,000 ms, trades and raw subscriptions aside.',
    ],
  ],
  [
    'how many subscriptions lack updates',
    { behind: 3 },
    { lacking: 3, updatesBehindMost: 1_204 },
    ['3 of its 7 subscriptions lack updates, the furthest behind 1,204.'],
  ],
  [
    'that one subscription lacks updates',
    { behind: 1 },
    { lacking: 1, updatesBehindMost: 2 },
    ['1 of its 7 subscriptions lacks updates, the furthest behind 2.'],
  ],
  [
    'that its only subscription lacks one',
    { behind: 1, subscriptions: 1 },
    { lacking: 1, updatesBehindMost: 1 },
    ['Its only subscription lacks 1 update.'],
  ],
  ['that a ping is late', {}, { pingAgeMs: 1_001 }, ['Its peer has not answered a ping for 1.0 s.']],
])('says %s', (_, facts, circumstances, sentences) => {
  expect(why({ ...CALM, ...facts }, { ...NOTHING, ...circumstances })).toEqual(sentences);
});

test('says all that holds it back together, what stops it first', () => {
  const facts = { ...CALM, block: 'budget', bytesPerSecMax: 2_000, pace: { pace: 'slower', priority: 9 } } as const;
  const sentences = why(facts, { ...NOTHING, lacking: 7, updatesBehindMost: 9, pingAgeMs: 2_000 });
  const beginnings = ['Its byte budget', 'It was sent', 'It is served', '7 of its 7', 'Its peer'];
  expect(sentences).toEqual(beginnings.map((beginning) => expect.stringMatching(`^${beginning} `)));
  expect(sentences[1]).not.toContain('budget');
});
