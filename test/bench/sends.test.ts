// Holds the sweep against what a gateway owes its clients: everything, in order, one message each.

import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { prepareRawFrame, RawFrame, stampRawFrame } from './rawframe.ts';
import { Sends } from './sends.ts';
import { prepareUpdates } from './updates.ts';

/** Keeps what it is sent; `sent` settles with the next message. */
class Kept {
  readonly messages: Uint8Array[] = [];
  private readonly events = new EventTarget();

  send(message: Uint8Array): void {
    this.messages.push(Uint8Array.from(message));
    this.events.dispatchEvent(new Event('sent'));
  }

  async sent(): Promise<Uint8Array> {
    if (this.messages.length === 0) await once(this.events, 'sent');
    return this.messages.shift()!;
  }
}

function frames(count: number): Buffer[] {
  const updates = prepareUpdates({ topics: 3 }, 1).slice(0, count);
  return updates.map(({ topic, delta }, index) => {
    const bytes = prepareRawFrame(topic, delta);
    stampRawFrame(bytes, topic, index + 1, 7);
    return bytes;
  });
}

function seqsIn(message: Uint8Array): number[] {
  const frame = new RawFrame();
  const seqs: number[] = [];
  for (let start = 0; start < message.length; start = frame.end) {
    expect(frame.readFirst(message, start, message.length)).toBe(true);
    seqs.push(frame.seq);
  }
  return seqs;
}

describe.each([0, 5, 'rounds'] as const)('sends by hand, paced by %s', (pace) => {
  it('join what a client follows into one message, in order, sweep after sweep', async () => {
    const sends = new Sends(pace);
    const [both, one] = [new Kept(), new Kept()];
    sends.add(both, [1, 2]);
    sends.add(one, [2]);
    const prepared = frames(5);
    for (const [index, frame] of prepared.entries()) sends.publish(index < 3 ? 1 : 2, frame);
    expect(seqsIn(await both.sent())).toEqual([1, 2, 3, 4, 5]);
    expect(seqsIn(await one.sent())).toEqual([4, 5]);
    sends.publish(1, prepared[0]!);
    expect(seqsIn(await both.sent())).toEqual([1]);
    expect(one.messages).toEqual([]);
  });
});

it('a frame among several is read to its end, and a damaged one is none', () => {
  const joined = Buffer.concat(frames(4));
  expect(seqsIn(joined)).toEqual([1, 2, 3, 4]);
  expect(new RawFrame().readFirst(joined, 0, 40)).toBe(false);
  joined[6]! ^= 1;
  expect(new RawFrame().readFirst(joined, 0, joined.length)).toBe(false);
});
