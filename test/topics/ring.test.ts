// Holds the ring to its contract: what it holds after any cursor, whatever it has forgotten.

import { expect, test } from 'vitest';
import type { TradeFrame } from '../../src/protocol/frames.ts';
import { Ring } from '../../src/topics/ring.ts';

/** The frame of update `seq`; the ring looks at nothing else of it. */
function frameOf(seq: number): TradeFrame {
  return { type: 'trade', topic: 1, fromSeq: seq - 1, seq } as TradeFrame;
}

test('finds the first frame after any cursor, or says that it has moved on', () => {
  for (const framesMax of [1, 7, 8, 9, 40]) {
    const ring = new Ring(framesMax);
    expect(ring.indexAfter(5)).toBeNull();
    // Numbers may jump: what lies between two of them shows nothing.
    const seqs = Array.from({ length: 60 }, (_, i) => 10 + i + Math.floor(i / 3));
    let fromSeq = 9;
    for (const [newest, seq] of seqs.entries()) {
      ring.push(fromSeq, frameOf(seq));
      fromSeq = seq;
      const held = seqs.slice(Math.max(0, newest + 1 - framesMax), newest + 1);
      const oldestSeq = seqs[newest - framesMax] ?? 9;
      for (let cursor = 7; cursor <= seq + 2; cursor++) {
        const after = held.findIndex((each) => each > cursor);
        const wanted = cursor < oldestSeq ? null : after < 0 ? held.length : after;
        expect(ring.indexAfter(cursor), `${cursor} of ${held}`).toBe(wanted);
      }
    }
  }
});
