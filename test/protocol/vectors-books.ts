// Owns the golden sequences of a client's book: frames, and what the client holds after each. Called by the vectors' maker.
// Invariant: every expected book is written out by hand; its checksum is computed from it alone.

import type { Frame, PartFrame, TopicFrame } from '../../src/protocol/frames.ts';
import { checksum, type Level } from './vectors-encoding.ts';
import { BOOK, book, COUNTED, flat, SPREAD, time } from './vectors-server.ts';

/** What the client does with the frames of a step. */
export type Action = 'replace' | 'apply' | 'ignore' | 'hold-back' | 'resync' | 'void' | 'note';

export interface BookState {
  /** Null where the client holds nothing and waits for a snapshot. */
  readonly seq: number | null;
  readonly depth: number;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

interface BookStep {
  readonly says: string;
  readonly frames: readonly Frame[];
  readonly action: Action;
  readonly client: BookState;
}

export interface BookSequence {
  readonly name: string;
  readonly says: string;
  readonly topic: TopicFrame;
  readonly steps: readonly BookStep[];
}

const NOTHING: BookState = { seq: null, depth: 0, bids: [], asks: [] };

function state(seq: number, depth: number, bids: readonly Level[], asks: readonly Level[]): BookState {
  return { seq, depth, bids, asks };
}

interface Change {
  bids?: readonly Level[];
  asks?: readonly Level[];
  depth?: number;
  parts?: number;
  checksum?: number;
}

/** A step whose book frame makes the client hold `client`. */
function step(
  says: string,
  action: Action,
  of: TopicFrame,
  fromSeq: number,
  seq: number,
  change: Change,
  client: BookState,
): BookStep {
  const sum = change.checksum ?? checksum(client.bids, client.asks);
  return {
    says,
    action,
    frames: [time(), book(of, fromSeq, seq, { depth: client.depth, ...change, checksum: sum })],
    client,
  };
}

/** A step whose book frame leaves the client with `client`; `held` is the view whose checksum the frame carries. */
function passed(
  says: string,
  of: TopicFrame,
  fromSeq: number,
  seq: number,
  change: Change,
  held: BookState,
  client: BookState,
): BookStep {
  return step(
    says,
    'ignore',
    of,
    fromSeq,
    seq,
    { ...change, depth: held.depth, checksum: checksum(held.bids, held.asks) },
    client,
  );
}

function part(of: TopicFrame, fromSeq: number, seq: number, index: number, count: number, change: Change): PartFrame {
  const levels = { stride: of.stride, bids: flat(change.bids ?? []), asks: flat(change.asks ?? []) };
  return { type: 'part', topic: of.topic, fromSeq, seq, depth: change.depth ?? 0, index, count, ...levels };
}

const START = state(
  100,
  0,
  [
    [1_000, 5],
    [990, 7],
  ],
  [
    [1_010, 3],
    [1_020, 4],
  ],
);
const start = step('A snapshot: fromSeq is 0.', 'replace', BOOK, 0, 100, { bids: START.bids, asks: START.asks }, START);

const AT_102 = state(
  102,
  0,
  [
    [1_005, 2],
    [1_000, 6],
    [990, 7],
  ],
  [
    [1_010, 1],
    [1_020, 4],
  ],
);
const AT_104 = state(
  104,
  0,
  [
    [1_005, 2],
    [990, 7],
  ],
  [
    [1_010, 1],
    [1_020, 4],
    [1_030, 9],
  ],
);

const TOP_2 = {
  bids: [
    [1_000, 5],
    [990, 7],
    [980, 1],
    [970, 2],
    [960, 3],
  ],
  asks: [
    [1_010, 3],
    [1_020, 4],
    [1_030, 5],
    [1_040, 6],
    [1_050, 7],
  ],
} as const;
const WIDE = state(50, 5, TOP_2.bids, TOP_2.asks);

const COUNTED_START = state(
  8,
  0,
  [
    [250_010, 300_000, 4],
    [250_000, 100, 1],
  ],
  [[250_020, 99, 2]],
);
const SPREAD_START = state(
  5,
  0,
  [
    [-5, 10],
    [-130, 20],
  ],
  [
    [0, 30],
    [5, 40],
  ],
);

const LONG_BIDS: readonly Level[] = [
  [1_000, 1],
  [999, 2],
  [998, 3],
  [997, 4],
];
const LONG_ASKS: readonly Level[] = [
  [1_001, 1],
  [1_002, 2],
  [1_003, 3],
];
const LONG = state(200, 0, LONG_BIDS, LONG_ASKS);

const RESCALED: TopicFrame = { ...BOOK, epoch: 42, priceScale: 3 };

export const BOOK_SEQUENCES: readonly BookSequence[] = [
  {
    name: 'snapshot and differences',
    says: 'Levels are set to their new sizes, 0 removes one; the client moves to the seq of the frame.',
    topic: BOOK,
    steps: [
      start,
      step(
        'Two updates merged: a new bid, a changed bid, a changed offer.',
        'apply',
        BOOK,
        100,
        102,
        {
          bids: [
            [1_005, 2],
            [1_000, 6],
          ],
          asks: [[1_010, 1]],
        },
        AT_102,
      ),
      step(
        'A bid removed, an offer behind all others added.',
        'apply',
        BOOK,
        102,
        104,
        { bids: [[1_000, 0]], asks: [[1_030, 9]] },
        AT_104,
      ),
      step(
        'A removal of a level that is not held changes nothing.',
        'apply',
        BOOK,
        104,
        105,
        { bids: [[1_000, 0]] },
        { ...AT_104, seq: 105 },
      ),
      step('A frame without levels moves the client on.', 'apply', BOOK, 105, 160, {}, { ...AT_104, seq: 160 }),
      step(
        'All levels removed one by one.',
        'apply',
        BOOK,
        160,
        165,
        {
          bids: [
            [1_005, 0],
            [990, 0],
          ],
          asks: [
            [1_010, 0],
            [1_020, 0],
            [1_030, 0],
          ],
        },
        state(165, 0, [], []),
      ),
    ],
  },
  {
    name: 'a range applies to every state in it',
    says: 'With fromSeq <= h < seq the same frame fits clients that stand at different sequence numbers.',
    topic: BOOK,
    steps: [
      start,
      step(
        'The client stands at the lower end.',
        'apply',
        BOOK,
        100,
        102,
        {
          bids: [
            [1_005, 2],
            [1_000, 6],
          ],
          asks: [[1_010, 1]],
        },
        AT_102,
      ),
      step(
        'The client stands inside the range: levels that it has already are set again.',
        'apply',
        BOOK,
        100,
        104,
        {
          bids: [
            [1_005, 2],
            [1_000, 0],
          ],
          asks: [
            [1_010, 1],
            [1_030, 9],
          ],
        },
        AT_104,
      ),
      passed(
        'h = seq: it knows all of this.',
        BOOK,
        100,
        104,
        {
          bids: [
            [1_005, 2],
            [1_000, 0],
          ],
          asks: [
            [1_010, 1],
            [1_030, 9],
          ],
        },
        AT_104,
        AT_104,
      ),
      passed(
        'h > seq: the frame is older than what is held, and its checksum is not of what is held.',
        BOOK,
        100,
        102,
        {
          bids: [
            [1_005, 2],
            [1_000, 6],
          ],
          asks: [[1_010, 1]],
        },
        AT_102,
        AT_104,
      ),
      step(
        'The next one goes on from where the client stands.',
        'apply',
        BOOK,
        104,
        106,
        { asks: [[1_010, 0]] },
        state(106, 0, AT_104.bids, [
          [1_020, 4],
          [1_030, 9],
        ]),
      ),
    ],
  },
  {
    name: 'a hole',
    says: 'With h < fromSeq something is missing: the client drops what it holds, asks for a resync and waits for a snapshot.',
    topic: BOOK,
    steps: [
      start,
      step(
        'h is 100, the frame begins at 101.',
        'resync',
        BOOK,
        101,
        103,
        { bids: [[1_005, 2]], checksum: 1 },
        NOTHING,
      ),
      step(
        'What was under way before the answer is ignored; nothing is asked for twice.',
        'ignore',
        BOOK,
        103,
        104,
        { bids: [[1_004, 2]], checksum: 2 },
        NOTHING,
      ),
      {
        says: 'The gateway says that the sequence begins anew here.',
        frames: [{ type: 'reset', topic: BOOK.topic, seq: 104, reason: 'requested' }],
        action: 'void',
        client: NOTHING,
      },
      step('The fresh snapshot.', 'replace', BOOK, 0, 104, { bids: AT_104.bids, asks: AT_104.asks }, AT_104),
    ],
  },
  {
    name: 'a checksum that does not match',
    says: 'The book after the frame must have the checksum of the frame; otherwise it is dropped and asked for again.',
    topic: BOOK,
    steps: [
      start,
      step(
        'One too many.',
        'resync',
        BOOK,
        100,
        101,
        { bids: [[1_005, 2]], checksum: checksum([[1_005, 2], ...START.bids], START.asks) + 1 },
        NOTHING,
      ),
      step(
        'The fresh snapshot.',
        'replace',
        BOOK,
        0,
        101,
        { bids: [[1_005, 2], ...START.bids], asks: START.asks },
        state(101, 0, [[1_005, 2], ...START.bids], START.asks),
      ),
    ],
  },
  {
    name: 'a snapshot replaces whatever is held',
    says: 'fromSeq = 0 comes before every other rule: a lower seq, the same seq, an empty book.',
    topic: BOOK,
    steps: [
      start,
      step(
        'A seq below that of the client.',
        'replace',
        BOOK,
        0,
        90,
        { bids: [[900, 1]], asks: [] },
        state(90, 0, [[900, 1]], []),
      ),
      step('The same seq.', 'replace', BOOK, 0, 90, { bids: [], asks: [[901, 1]] }, state(90, 0, [], [[901, 1]])),
      step('Nothing in it.', 'replace', BOOK, 0, 91, {}, state(91, 0, [], [])),
    ],
  },
  {
    name: 'a topic that begins empty',
    says: 'The first frame has seq 0 and no levels; the first update after it has fromSeq 0 and replaces nothing by something.',
    topic: BOOK,
    steps: [
      step('Nothing was ever published.', 'replace', BOOK, 0, 0, {}, state(0, 0, [], [])),
      step('The first update.', 'replace', BOOK, 0, 1, { bids: [[1_000, 5]] }, state(1, 0, [[1_000, 5]], [])),
      step('The second.', 'apply', BOOK, 1, 2, { asks: [[1_001, 5]] }, state(2, 0, [[1_000, 5]], [[1_001, 5]])),
    ],
  },
  {
    name: 'a view of the best level',
    says: 'After each frame the client cuts to the depth of the frame: a level that falls out is forgotten.',
    topic: BOOK,
    steps: [
      step(
        'The best level of each side.',
        'replace',
        BOOK,
        0,
        10,
        { bids: [[1_000, 5]], asks: [[1_010, 3]] },
        state(10, 1, [[1_000, 5]], [[1_010, 3]]),
      ),
      step(
        'A better bid pushes the old one out, though the frame does not say so.',
        'apply',
        BOOK,
        10,
        11,
        { bids: [[1_005, 2]] },
        state(11, 1, [[1_005, 2]], [[1_010, 3]]),
      ),
      step(
        'The best bid goes, the next one comes with the frame.',
        'apply',
        BOOK,
        11,
        12,
        {
          bids: [
            [1_005, 0],
            [1_000, 6],
          ],
        },
        state(12, 1, [[1_000, 6]], [[1_010, 3]]),
      ),
      step(
        'A removal of a level that this client never saw, shared with those that did.',
        'apply',
        BOOK,
        12,
        13,
        { asks: [[1_009, 0]] },
        state(13, 1, [[1_000, 6]], [[1_010, 3]]),
      ),
      step('The last offer goes.', 'apply', BOOK, 13, 14, { asks: [[1_010, 0]] }, state(14, 1, [[1_000, 6]], [])),
    ],
  },
  {
    name: 'a depth that changes',
    says: 'Frames name their depth; a deeper one brings the levels that were not held, a shallower one is cut to. At the same seq, another depth is news.',
    topic: BOOK,
    steps: [
      step('Five levels a side.', 'replace', BOOK, 0, 50, { bids: WIDE.bids, asks: WIDE.asks }, WIDE),
      step('Now one.', 'apply', BOOK, 50, 51, { bids: [[1_000, 4]] }, state(51, 1, [[1_000, 4]], [[1_010, 3]])),
      step(
        'Ten: all that was not held comes along, unchanged levels too.',
        'apply',
        BOOK,
        51,
        52,
        { bids: WIDE.bids.slice(1), asks: [[1_010, 2], ...WIDE.asks.slice(1)] },
        state(52, 10, [[1_000, 4], ...WIDE.bids.slice(1)], [[1_010, 2], ...WIDE.asks.slice(1)]),
      ),
      step(
        'The full book.',
        'apply',
        BOOK,
        52,
        53,
        { bids: [[100, 1]], asks: [[9_000, 1]] },
        state(53, 0, [[1_000, 4], ...WIDE.bids.slice(1), [100, 1]], [[1_010, 2], ...WIDE.asks.slice(1), [9_000, 1]]),
      ),
      step(
        'One again, while nothing was published: the same seq and a span of 0, but another depth than the one held.',
        'apply',
        BOOK,
        53,
        53,
        {},
        state(53, 1, [[1_000, 4]], [[1_010, 2]]),
      ),
      step('The same once more is known.', 'ignore', BOOK, 53, 53, {}, state(53, 1, [[1_000, 4]], [[1_010, 2]])),
      step(
        'And five, at the same seq.',
        'apply',
        BOOK,
        53,
        53,
        { bids: WIDE.bids.slice(1), asks: WIDE.asks.slice(1) },
        state(53, 5, [[1_000, 4], ...WIDE.bids.slice(1)], [[1_010, 2], ...WIDE.asks.slice(1)]),
      ),
    ],
  },
  {
    name: 'top of book and back',
    says: 'On a slow link the gateway cuts books to their best level, and says so; when the link has recovered, the rest comes back. No snapshot is needed.',
    topic: BOOK,
    steps: [
      step(
        'The full book.',
        'replace',
        BOOK,
        0,
        60,
        { bids: WIDE.bids, asks: WIDE.asks },
        { ...WIDE, seq: 60, depth: 0 },
      ),
      {
        says: 'The pace changes nothing of what is held.',
        action: 'note',
        frames: [{ type: 'pace', pace: 'top', priority: 5, intervalMs: 1_000, reason: 'link' }],
        client: { ...WIDE, seq: 60, depth: 0 },
      },
      step(
        'The next frame says depth 1: the client cuts to it.',
        'apply',
        BOOK,
        60,
        75,
        { bids: [[1_001, 4]] },
        state(75, 1, [[1_001, 4]], WIDE.asks.slice(0, 1)),
      ),
      {
        says: 'The link has recovered by a step.',
        action: 'note',
        frames: [{ type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'link' }],
        client: state(75, 1, [[1_001, 4]], WIDE.asks.slice(0, 1)),
      },
      step(
        'The full book again: the levels that are not held come along.',
        'apply',
        BOOK,
        75,
        90,
        { bids: WIDE.bids, asks: WIDE.asks.slice(1) },
        state(90, 0, [[1_001, 4], ...WIDE.bids], WIDE.asks),
      ),
    ],
  },
  {
    name: 'an answer in parts',
    says: 'Parts are held back; the book frame that closes them applies all levels at once, and its checksum is of the whole.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'The first of two parts.',
        frames: [part(BOOK, 0, 200, 0, 2, { bids: LONG_BIDS.slice(0, 2) })],
        action: 'hold-back',
        client: START,
      },
      {
        says: 'The second.',
        frames: [part(BOOK, 0, 200, 1, 2, { bids: LONG_BIDS.slice(2), asks: LONG_ASKS.slice(0, 1) })],
        action: 'hold-back',
        client: START,
      },
      step('The book frame closes them.', 'replace', BOOK, 0, 200, { asks: LONG_ASKS.slice(1), parts: 2 }, LONG),
      step(
        'Life goes on.',
        'apply',
        BOOK,
        200,
        201,
        { bids: [[1_000, 0]] },
        state(201, 0, LONG_BIDS.slice(1), LONG_ASKS),
      ),
    ],
  },
  {
    name: 'an answer in parts that begins again',
    says: 'Index 0 starts anew: the parts of an abandoned answer are forgotten.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'The first of three parts.',
        frames: [part(BOOK, 100, 190, 0, 3, { bids: [[555, 5]] })],
        action: 'hold-back',
        client: START,
      },
      {
        says: 'The second.',
        frames: [part(BOOK, 100, 190, 1, 3, { bids: [[554, 5]] })],
        action: 'hold-back',
        client: START,
      },
      {
        says: 'Another answer begins: a difference up to 200.',
        frames: [part(BOOK, 100, 200, 0, 1, { bids: [[1_001, 1]], asks: [[1_010, 0]] })],
        action: 'hold-back',
        client: START,
      },
      step(
        'It closes.',
        'apply',
        BOOK,
        100,
        200,
        { asks: [[1_015, 8]], parts: 1 },
        state(
          200,
          0,
          [
            [1_001, 1],
            [1_000, 5],
            [990, 7],
          ],
          [
            [1_015, 8],
            [1_020, 4],
          ],
        ),
      ),
    ],
  },
  {
    name: 'an answer in parts that is given up',
    says: 'A book frame without parts after some that were never closed: those parts are forgotten.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'The first of three parts.',
        frames: [part(BOOK, 100, 190, 0, 3, { bids: [[555, 5]] })],
        action: 'hold-back',
        client: START,
      },
      step(
        'The depth was changed meanwhile: a shorter answer.',
        'apply',
        BOOK,
        100,
        191,
        { asks: [[1_010, 2]] },
        state(191, 1, [[1_000, 5]], [[1_010, 2]]),
      ),
    ],
  },
  {
    name: 'a part that does not follow',
    says: 'A part whose index is not the next one is a hole.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'The first of three parts.',
        frames: [part(BOOK, 100, 190, 0, 3, { bids: [[555, 5]] })],
        action: 'hold-back',
        client: START,
      },
      {
        says: 'The third.',
        frames: [part(BOOK, 100, 190, 2, 3, { bids: [[554, 5]] })],
        action: 'resync',
        client: NOTHING,
      },
    ],
  },
  {
    name: 'an answer in parts that is not whole',
    says: 'The book frame says how many parts belong to it; with any other number held, the client resyncs.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'The first of two parts.',
        frames: [part(BOOK, 100, 190, 0, 2, { bids: [[1_001, 5]] })],
        action: 'hold-back',
        client: START,
      },
      step('The closing frame speaks of two.', 'resync', BOOK, 100, 190, { bids: [[1_002, 5]], parts: 2 }, NOTHING),
      {
        says: 'A part of another answer whose first is missing: the resync is under way already.',
        frames: [part(BOOK, 0, 200, 1, 2, { bids: LONG_BIDS.slice(2) })],
        action: 'ignore',
        client: NOTHING,
      },
      step('The fresh snapshot, in one frame.', 'replace', BOOK, 0, 200, { bids: LONG_BIDS, asks: LONG_ASKS }, LONG),
    ],
  },
  {
    name: 'an answer in parts that is known already',
    says: 'With h > seq the parts are ignored together with the frame that closes them.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'A part of an answer up to 90.',
        frames: [part(BOOK, 80, 90, 0, 1, { bids: [[555, 5]] })],
        action: 'hold-back',
        client: START,
      },
      passed(
        'Its closing frame.',
        BOOK,
        80,
        90,
        { bids: [[554, 5]], parts: 1 },
        state(
          90,
          0,
          [
            [555, 5],
            [554, 5],
          ],
          [],
        ),
        START,
      ),
      step(
        'The next frame has nothing of them.',
        'apply',
        BOOK,
        100,
        101,
        { asks: [[1_010, 0]] },
        state(101, 0, START.bids, [[1_020, 4]]),
      ),
    ],
  },
  {
    name: 'a new epoch',
    says: 'A topic frame with another epoch voids what is held; the sequence numbers of the two have nothing to do with each other.',
    topic: BOOK,
    steps: [
      start,
      { says: 'The same topic, another epoch and another scale.', frames: [RESCALED], action: 'void', client: NOTHING },
      {
        says: 'The reset that goes with it.',
        frames: [{ type: 'reset', topic: BOOK.topic, seq: 3, reason: 'epoch' }],
        action: 'void',
        client: NOTHING,
      },
      step(
        'The snapshot, at the new scale.',
        'replace',
        RESCALED,
        0,
        3,
        { bids: [[10_005, 1]], asks: [[10_010, 2]] },
        state(3, 0, [[10_005, 1]], [[10_010, 2]]),
      ),
    ],
  },
  {
    name: 'a new tick size',
    says: 'A topic frame with the same epoch leaves what is held as it is.',
    topic: BOOK,
    steps: [
      start,
      { says: 'The tick size changes.', frames: [{ ...BOOK, tickSize: 5 }], action: 'note', client: START },
      step(
        'The book goes on.',
        'apply',
        BOOK,
        100,
        101,
        { asks: [[1_010, 0]] },
        state(101, 0, START.bids, [[1_020, 4]]),
      ),
    ],
  },
  {
    name: 'a gap in raw mode',
    says: 'A raw client that fell too far behind is told what it misses; a reset and a snapshot follow.',
    topic: BOOK,
    steps: [
      start,
      {
        says: '101 to 149 will not come.',
        frames: [{ type: 'gap', topic: BOOK.topic, firstSeq: 101, lastSeq: 149, reason: 'ring' }],
        action: 'note',
        client: START,
      },
      {
        says: 'The reset that goes with it.',
        frames: [{ type: 'reset', topic: BOOK.topic, seq: 149, reason: 'gap' }],
        action: 'void',
        client: NOTHING,
      },
      step('The snapshot.', 'replace', BOOK, 0, 149, { bids: [[1_000, 1]] }, state(149, 0, [[1_000, 1]], [])),
      step(
        'Every update in a frame of its own.',
        'apply',
        BOOK,
        149,
        150,
        { asks: [[1_001, 1]] },
        state(150, 0, [[1_000, 1]], [[1_001, 1]]),
      ),
    ],
  },
  {
    name: 'coming back',
    says: 'How a cursor is answered is said first; it changes nothing of what is held, and what follows is taken as ever.',
    topic: BOOK,
    steps: [
      start,
      {
        says: 'On the new connection: the topic, in the epoch of what is held.',
        frames: [BOOK],
        action: 'note',
        client: START,
      },
      {
        says: 'A difference from the cursor is about to come.',
        frames: [{ type: 'healed', topic: BOOK.topic, how: 'diffed', why: 'cursor' }],
        action: 'note',
        client: START,
      },
      step(
        'The difference.',
        'apply',
        BOOK,
        100,
        102,
        {
          bids: [
            [1_005, 2],
            [1_000, 6],
          ],
          asks: [[1_010, 1]],
        },
        AT_102,
      ),
      {
        says: 'The gateway is about to stop; data goes on.',
        frames: [{ type: 'goodbye', reason: 'drain', reconnectMs: 500, closeMs: 10_000 }],
        action: 'note',
        client: AT_102,
      },
      {
        says: 'Back once more: this time the cursor is too old. What is held stays until the reset.',
        frames: [{ type: 'healed', topic: BOOK.topic, how: 'snapshot', why: 'horizon' }],
        action: 'note',
        client: AT_102,
      },
      {
        says: 'The reset.',
        frames: [{ type: 'reset', topic: BOOK.topic, seq: 9_000, reason: 'horizon' }],
        action: 'void',
        client: NOTHING,
      },
      step('The snapshot.', 'replace', BOOK, 0, 9_000, { bids: [[1_000, 1]] }, state(9_000, 0, [[1_000, 1]], [])),
    ],
  },
  {
    name: 'order counts',
    says: 'Levels carry a count that replaces the old one and is not part of the checksum.',
    topic: COUNTED,
    steps: [
      step(
        'A snapshot.',
        'replace',
        COUNTED,
        0,
        8,
        { bids: COUNTED_START.bids, asks: COUNTED_START.asks },
        COUNTED_START,
      ),
      step(
        'Only a count changes: the checksum stays.',
        'apply',
        COUNTED,
        8,
        9,
        { bids: [[250_010, 300_000, 5]] },
        state(
          9,
          0,
          [
            [250_010, 300_000, 5],
            [250_000, 100, 1],
          ],
          COUNTED_START.asks,
        ),
      ),
      step(
        'A removal has a count too; it means nothing.',
        'apply',
        COUNTED,
        9,
        10,
        { bids: [[250_010, 0, 0]] },
        state(10, 0, [[250_000, 100, 1]], COUNTED_START.asks),
      ),
    ],
  },
  {
    name: 'prices below zero',
    says: 'Best first is by value: the highest bid, the lowest offer, signs included.',
    topic: SPREAD,
    steps: [
      step(
        'A book around zero.',
        'replace',
        SPREAD,
        0,
        5,
        { bids: SPREAD_START.bids, asks: SPREAD_START.asks },
        SPREAD_START,
      ),
      step(
        'A better bid at minus one, a better offer below it gone.',
        'apply',
        SPREAD,
        5,
        6,
        { bids: [[-1, 7]], asks: [[0, 0]] },
        state(
          6,
          0,
          [
            [-1, 7],
            [-5, 10],
            [-130, 20],
          ],
          [[5, 40]],
        ),
      ),
      step(
        'Cut to one level: the highest bid is the one nearest to zero.',
        'apply',
        SPREAD,
        6,
        7,
        { asks: [[3, 1]] },
        state(7, 1, [[-1, 7]], [[3, 1]]),
      ),
    ],
  },
];
