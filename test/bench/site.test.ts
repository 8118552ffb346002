// Holds the networkless gateway of `bench:heap` to what its figures rest on, on a small scale: readers stall, lose nothing, and
// come back exact.

import { describe, expect, it } from 'vitest';
import { ClientStream } from '../../src/client/stream.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { sameBook } from './books.ts';
import { Recording, Site, type Stall } from './site.ts';

describe('readers that stall', () => {
  it.each<Stall>(['silent', 'full'])('and are %s come back exact, each book in one answer', async (how) => {
    const site = new Site(4);
    await site.open();
    const recording = new Recording(1_000_000);
    const peer = site.connect('a', recording);
    site.subscribe(peer, 10);
    await site.pass(100);
    peer.stall(how);
    await site.market(2_000, 4_000);
    expect([peer.connection.closed, peer.connection.block]).toEqual([false, how === 'silent' ? 'window' : 'socket']);
    const drainedFrom = recording.length;
    peer.drain();
    await site.pass(2_000);
    const seen: string[] = [];
    const stream = new ClientStream(msgpackCodec, () => {}, {
      book: ({ topic }) => void seen.push(topic.symbol),
      resync: () => expect.fail('a resync was asked for'),
    });
    for (let index = 0; index < recording.length; index++) {
      if (index === drainedFrom) seen.length = 0;
      stream.receive(recording.message(index));
    }
    expect(seen.sort()).toEqual([...site.symbols].sort());
    for (const symbol of site.symbols) {
      const { seq, book } = stream.find('book', symbol)!;
      expect(seq).toBe(site.topic(symbol).seq);
      expect(sameBook(book!, site.topic(symbol).book, 10)).toBe(true);
    }
  });

  it('are noticed where a book differs', async () => {
    const site = new Site(1);
    await site.open();
    const { book } = site.topic('BENCH-0');
    const best = { stride: 3, bids: [] as number[], asks: [] as number[] };
    book.top(2, best);
    const levels = (flat: readonly number[]) =>
      [0, 3].map((at) => ({ price: flat[at]!, size: flat[at + 1]!, count: 0, hash: 0 }));
    const local = { bids: levels(best.bids), asks: levels(best.asks) };
    expect(sameBook(local, book, 2)).toBe(true);
    expect(sameBook(local, book, 3)).toBe(false);
    local.asks[1]!.size += 1;
    expect(sameBook(local, book, 2)).toBe(false);
  });
});
