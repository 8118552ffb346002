// Owns the golden vectors of the frames about a session: who a client is, refusals, goodbyes, tokens, and how what it held was healed.
// Called by vectors-server.ts, which hands over what the others share. Invariant: every field occurs at each width that it can have on
// the wire.

import type {
  AckFrame,
  Frame,
  GoodbyeFrame,
  HealedFrame,
  RefusedFrame,
  TokenFrame,
  WelcomeFrame,
} from '../../src/protocol/frames.ts';
import type { FrameVector } from './vectors-server.ts';

/** Values from 0 on at which MessagePack's integers change their form. */
const WIDTHS = [0, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, Number.MAX_SAFE_INTEGER];
/** A day after the time of the other vectors. */
const DAY_US = 86_400_000_000;

const REFUSED: RefusedFrame = {
  type: 'refused',
  code: 'too-many-connections',
  message: 'The gateway has as many connections as it may. (maxConnections: 15000)',
  action: 'Try again later, or connect to another gateway.',
  retryAfterMs: 2_000,
};
const GOODBYE: GoodbyeFrame = { type: 'goodbye', reason: 'drain', reconnectMs: 1_730, closeMs: 10_000 };
/** As long as tokens may become. */
const TOKEN: TokenFrame = { type: 'token', token: `1.k7.${'aZ09-_'.repeat(16)}.abc`, lifeMs: 300_000 };
const healed = (how: HealedFrame['how'], why: HealedFrame['why'], topic = 7): Frame => ({
  type: 'healed',
  topic,
  how,
  why,
});

const acked = (id: number, op: string, more: Partial<AckFrame> = {}): AckFrame => ({
  type: 'ack',
  id,
  op,
  accepted: [],
  refused: [],
  ...more,
});
const RESUMED = acked(31, 'resume', {
  accepted: [
    { symbol: 'book:BTC-USD', topic: 7, depth: 10, intervalMs: 100, mode: 'live' },
    { symbol: 'book@10:BTC-USD', topic: 12, depth: 0, intervalMs: 0, mode: 'live' },
    { symbol: 'trade:BTC-USD', topic: 9, depth: 0, intervalMs: 0, mode: 'raw' },
    { symbol: 'quote:*-USD', topic: 0, depth: 0, intervalMs: 250, mode: 'live' },
    { symbol: 'status:@majors', topic: 0, depth: 0, intervalMs: 0, mode: 'live' },
  ],
  refused: [
    {
      symbol: 'book:GONE-USD',
      code: 'unknown-symbol',
      message: 'There is no such instrument. (GONE-USD)',
      action: 'GET /v1/instruments lists them.',
    },
  ],
});

/** One frame of each type that came with sessions. */
export const SESSION_FRAMES: readonly Frame[] = [
  REFUSED,
  GOODBYE,
  TOKEN,
  { type: 'identity', principal: 'desk-a', untilUs: null },
  healed('snapshot', 'horizon'),
];

/** For `control`. */
export function sessionControl(welcome: WelcomeFrame): FrameVector[] {
  const limited = (name: string, says: string, limits: Partial<WelcomeFrame['limits']>): FrameVector => ({
    name,
    says,
    frames: [{ ...welcome, limits: { ...welcome.limits, ...limits } }],
  });
  return [
    limited('welcome with every limit', 'The last three limits may be missing; here none is.', {
      stallMsMax: 20_000,
      silentMs: 15_000,
      requestsPerSec: 200,
    }),
    limited('welcome with the limits of a gateway without a demo', 'nil stands for a limit that others follow.', {
      silentMs: 15_000,
      requestsPerSec: 200,
    }),
    limited('welcome with a silence alone', 'A hole before it, nothing behind it.', { silentMs: 15_000 }),
    limited('welcome with a rate alone', 'Two holes before the last limit.', { requestsPerSec: 50 }),
    limited('welcome with a hole in the middle', 'A limit before it and one behind it.', {
      stallMsMax: 20_000,
      requestsPerSec: 200,
    }),
    limited('welcome without a rate', 'What is missing at the end is not there, not nil.', {
      stallMsMax: 20_000,
      silentMs: 15_000,
    }),
    ...WIDTHS.map((limit) =>
      limited(`welcome with a silence and a rate of ${limit}`, 'Later limits are integers of any width.', {
        silentMs: limit,
        requestsPerSec: limit,
      }),
    ),
    {
      name: 'ack of an auth',
      says: 'The acknowledgement of a credential has two empty lists.',
      frames: [acked(30, 'auth')],
    },
    {
      name: 'ack of a resume',
      says: 'Where a token was taken, entries name topics: the channel, the group where there is one, the symbol; patterns have topic 0.',
      frames: [RESUMED],
    },
    {
      name: 'ack of a resume of settings alone',
      says: 'Without the subscriptions there is nothing to name.',
      frames: [acked(32, 'resume')],
    },
    {
      name: 'error of a token',
      says: 'A token that can not be taken leaves the connection open, and new.',
      frames: [
        {
          type: 'error',
          id: 33,
          code: 'used-token',
          message: 'The token was used already.',
          action: 'Go on without it: the connection is open; subscribe with cursors.',
        },
      ],
    },
    {
      name: 'error of a credential that ran out',
      says: 'It answers no request: its id is null. The connection is closed after it.',
      frames: [
        {
          type: 'error',
          id: null,
          code: 'expired-credential',
          message: 'The API key or JWT is no longer valid.',
          action: 'Bring a fresh one; on an open connection with the request auth.',
        },
      ],
    },
    {
      name: 'refused for a while',
      says: 'The connection is not served; the client may come back after two seconds.',
      frames: [REFUSED],
    },
    {
      name: 'refused for good',
      says: 'null: coming back does not help before the client was mended.',
      frames: [
        {
          type: 'refused',
          code: 'bad-credential',
          message: 'The API key or JWT is not valid here.',
          action: 'Ask whoever runs the gateway for one that is.',
          retryAfterMs: null,
        },
      ],
    },
    {
      name: 'refused with text that is not ASCII',
      says: 'Texts may be empty, or of any kind.',
      frames: [{ ...REFUSED, message: '満員です — später wieder 🙈', action: '' }],
    },
    ...WIDTHS.map(
      (retryAfterMs): FrameVector => ({
        name: `refused for ${retryAfterMs} ms`,
        says: 'When to come back is an integer of any width; 0 is at once, and not null.',
        frames: [{ ...REFUSED, retryAfterMs }],
      }),
    ),
    {
      name: 'goodbye before a stop',
      says: 'The gateway is about to stop: the client connects elsewhere after 1,730 ms, and is cut off after ten seconds.',
      frames: [GOODBYE],
    },
    ...WIDTHS.map(
      (ms): FrameVector => ({
        name: `goodbye in ${ms} ms`,
        says: 'Its times are integers of any width; 0 is at once.',
        frames: [{ ...GOODBYE, reconnectMs: ms, closeMs: ms }],
      }),
    ),
    {
      name: 'token of a session',
      says: 'A token is text that means nothing to a client, with a life in milliseconds.',
      frames: [TOKEN],
    },
    {
      name: 'token renewed',
      says: 'A later token replaces the one before.',
      frames: [TOKEN, { ...TOKEN, token: `1.k7.${'bY18-_'.repeat(16)}.abd` }],
    },
    ...WIDTHS.map(
      (lifeMs): FrameVector => ({
        name: `token for ${lifeMs} ms`,
        says: 'Lives are integers of any width; clients take tokens of any length.',
        frames: [{ type: 'token', token: 'x'.repeat(Math.max(1, Math.min(lifeMs, 300))), lifeMs }],
      }),
    ),
    {
      name: 'identity until a time',
      says: 'Who the gateway takes the client for, and until when.',
      frames: [{ type: 'identity', principal: 'desk-a', untilUs: welcome.timeUs + DAY_US }],
    },
    {
      name: 'identity for as long as the connection',
      says: 'null: what the client brought does not run out.',
      frames: [{ type: 'identity', principal: 'auth0|5f7c8ec7c33c6c004bbafe82', untilUs: null }],
    },
    {
      name: 'identity that is not ASCII',
      says: 'Principals are text of any kind.',
      frames: [{ type: 'identity', principal: 'Händler 取引 №7', untilUs: null }],
    },
    ...WIDTHS.map(
      (untilUs): FrameVector => ({
        name: `identity until ${untilUs}`,
        says: 'Its end is a time like all others, and an integer of any width.',
        frames: [{ type: 'identity', principal: 'a', untilUs }],
      }),
    ),
    {
      name: 'first message to a client that said who it is',
      says: 'The welcome comes first, then who the client is, then its token.',
      frames: [
        { ...welcome, limits: { ...welcome.limits, silentMs: 15_000, requestsPerSec: 200 } },
        { type: 'identity', principal: 'desk-a', untilUs: welcome.timeUs + DAY_US },
        TOKEN,
      ],
    },
  ];
}

/** Every pair that occurs, with its sentence. */
const HEALINGS: readonly (readonly [HealedFrame['how'], HealedFrame['why'], string])[] = [
  ['replayed', 'cursor', 'Each update after the cursor follows.'],
  ['replayed', 'gap', 'Of the trades after the cursor some are gone: a gap follows, then the others.'],
  ['diffed', 'cursor', 'One difference from the cursor follows, or nothing where nothing has changed.'],
  ['snapshot', 'none', 'No cursor was brought for what the token brought back.'],
  ['snapshot', 'horizon', 'The cursor is too old for a difference.'],
  ['snapshot', 'epoch', 'The cursor is of another epoch.'],
  ['snapshot', 'future', 'The cursor is ahead of the topic.'],
  ['snapshot', 'gap', 'Updates of a raw subscription are gone.'],
  ['snapshot', 'requested', 'The client asked for a fresh start meanwhile.'],
];

/** For `topic`. */
export const SESSION_TOPICS: readonly FrameVector[] = [
  ...HEALINGS.map(
    ([how, why, says]): FrameVector => ({ name: `healed: ${how}, ${why}`, says, frames: [healed(how, why)] }),
  ),
  ...WIDTHS.map(
    (topic): FrameVector => ({
      name: `healed topic ${topic}`,
      says: 'Topic ids are integers of any width.',
      frames: [healed('diffed', 'cursor', topic)],
    }),
  ),
];

/** For `messages`: what precedes the answers to cursors. `lead` announces the topic 7, `data` has its time and a difference. */
export function sessionMessages(
  lead: readonly Frame[],
  data: {
    readonly difference: readonly Frame[];
    readonly snapshot: readonly Frame[];
    readonly trade: readonly Frame[];
  },
  trades: Frame,
): FrameVector[] {
  return [
    {
      name: 'resumed with a difference',
      says: 'After its topic frame, and before its data, each topic says how it was healed.',
      frames: [RESUMED, ...lead, healed('diffed', 'cursor'), ...data.difference],
    },
    {
      name: 'resumed with a fresh start',
      says: 'The reset comes after it, with the same reason.',
      frames: [
        ...lead,
        healed('snapshot', 'epoch'),
        { type: 'reset', topic: 7, seq: 1_000, reason: 'epoch' },
        ...data.snapshot,
      ],
    },
    {
      name: 'resumed trades of which some are gone',
      says: 'The gap comes after it, then the trades that are still there.',
      frames: [
        trades,
        healed('replayed', 'gap', 9),
        { type: 'gap', topic: 9, firstSeq: 602, lastSeq: 699, reason: 'ring' },
        ...data.trade,
      ],
    },
    {
      name: 'goodbye between answers',
      says: 'A goodbye and a renewed token stand anywhere among the frames of a message; data goes on.',
      frames: [...lead, GOODBYE, TOKEN, ...data.difference],
    },
  ];
}

/** For `tolerated`, in both codecs: reasons that a client does not know. */
export const SESSION_LATER: FrameVector = {
  name: 'reasons of a later version about sessions',
  says: 'A reason or a way of healing that a client does not know reads as `other`.',
  frames: [
    { type: 'goodbye', reason: 'other', reconnectMs: 5, closeMs: 10 },
    healed('other', 'cursor'),
    healed('snapshot', 'other'),
    { ...REFUSED, code: 'x-later' },
  ],
  tolerated: {
    msgpack: [
      [7, 120, 5, 10],
      [28, 7, 121, 0],
      [28, 7, 2, 65_536],
      [6, 'x-later', REFUSED.message, REFUSED.action, REFUSED.retryAfterMs],
    ],
    json: [
      { type: 'goodbye', reason: 'x-fire', reconnectMs: 5, closeMs: 10 },
      { type: 'healed', topic: 7, how: 'x-magic', why: 'cursor' },
      { type: 'healed', topic: 7, how: 'snapshot', why: 'x-fire' },
      { ...REFUSED, code: 'x-later' },
    ]
      .map((object) => `${JSON.stringify(object)}\n`)
      .join(''),
  },
};
