// Holds the watch to its samples, and the baseline's pinger to its spacing.

import { describe, expect, it } from 'vitest';
import { PING_SPACING_BYTES, Pinger } from './pinger.ts';
import { type Gauge, Watch } from './watch.ts';

type Mutable = { -readonly [Key in keyof Gauge]: Gauge[Key] };

function gauge(values: Partial<Gauge> = {}): Mutable {
  return { closed: false, sentBytes: 0, queuedBytes: 0, unansweredBytes: null, windowBytes: null, ...values };
}

describe('the watch', () => {
  it('keeps the most that was seen of each stalled client, and of all', () => {
    const stalled = gauge({ unansweredBytes: 10, windowBytes: 16_384 });
    const other = gauge({ queuedBytes: 5 });
    const watch = new Watch({ gauges: () => [stalled, other], closes: () => ({ silent: 1 }) }, [[7, stalled]]);
    watch.sample();
    Object.assign(stalled, { sentBytes: 900, queuedBytes: 30, unansweredBytes: 600, windowBytes: 512 });
    watch.sample();
    Object.assign(stalled, { queuedBytes: 0, unansweredBytes: 400 });
    expect(watch.end()).toEqual({
      stalled: [
        {
          ...{ client: 7, sentBytes: 900, queuedBytesMax: 30, unansweredBytesMax: 600 },
          ...{ windowBytesMax: 16_384, closed: false },
        },
      ],
      ...{ queuedBytesMax: 30, queuedBytesTotalMax: 35, windowBytesMax: 16_384, closes: { silent: 1 } },
    });
  });

  it('takes no figures of a connection that was closed: its place may be another’s by then', () => {
    const stalled = gauge({ sentBytes: 900, unansweredBytes: 600 });
    const watch = new Watch({ gauges: () => [], closes: () => ({}) }, [[7, stalled]]);
    watch.sample();
    Object.assign(stalled, { closed: true, sentBytes: 5, unansweredBytes: 0, queuedBytes: 99 });
    expect(watch.end().stalled[0]).toMatchObject({
      sentBytes: 900,
      unansweredBytesMax: 600,
      queuedBytesMax: 0,
      closed: true,
    });
  });
});

describe('the pinger', () => {
  class Pinged {
    sentBytes = 0;
    readonly payloads: string[] = [];
    ping(payload: string): void {
      this.payloads.push(payload);
    }
  }
  const round = (pinger: Pinger) => {
    for (let turn = 0; turn < 10; turn++) pinger.turn();
  };

  it('pings who was sent enough since the last ping, once a round', () => {
    const pinger = new Pinger();
    const clients = Array.from({ length: 25 }, () => new Pinged());
    for (const client of clients) pinger.add(client);
    clients[3]!.sentBytes = PING_SPACING_BYTES - 1;
    clients[4]!.sentBytes = 3 * PING_SPACING_BYTES;
    round(pinger);
    expect(clients.map(({ payloads }) => payloads.length)).toEqual(clients.map((_, index) => (index === 4 ? 1 : 0)));
    clients[3]!.sentBytes += 1;
    round(pinger);
    round(pinger);
    expect([clients[3]!.payloads, clients[4]!.payloads, pinger.sent]).toEqual([['2'], ['1'], 2]);
    pinger.remove(clients[3]!);
    clients[3]!.sentBytes *= 10;
    round(pinger);
    expect(pinger.sent).toBe(2);
  });

  it('spreads a round over its turns', () => {
    const pinger = new Pinger();
    const clients = Array.from({ length: 40 }, () => new Pinged());
    for (const client of clients) {
      client.sentBytes = PING_SPACING_BYTES;
      pinger.add(client);
    }
    pinger.turn();
    expect(pinger.sent).toBe(4);
  });
});
