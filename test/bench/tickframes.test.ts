// Holds the generator's reading of Tickwire messages to literal bytes.

import { describe, expect, it } from 'vitest';
import { Arrivals, subscribeRequest, TickwireReader } from './tickframes.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

const WELCOME = '96 00 ab7469636b776972652e7631 a161 a162 cf000628f7a6c48000 83 a16101 a16202 a16303';
const ACK = '95 01 01 a9737562736372696265 91 95 a54253542d31 07 00 00 a46c697665 90';
/** Gateway time 1,733,000,000,000,000 µs. */
const TIME = '92 10 cf0006282696 b55000';
const TIME_US = 0x06282696b55000;
/** Topic id 300 is the symbol BENCH-1. */
const TOPIC = '9a 11 cd012c a4626f6f6b a742454e43482d31 cf0000123456789abc 02 08 02 01 01';
/** Replaces: seq 5, span 5, published 1,000 µs before, no exchange time. */
const SNAPSHOT = '9a 12 cd012c 05 05 cd03e8 c0 00 ce0badcafe 94 ce000f423f ce00010000 ce000f423e 07 90';
/** Seq 8 from 6, published 256 µs before, 44 µs after the exchange. */
const DELTA = '9a 12 cd012c 08 02 cd0100 2c 00 ce0badcafe 92 ce000f423f 00 90';

function read(text: string, reader = new TickwireReader(new Map([['BENCH-1', 1]]))): unknown[][] {
  const bytes = hex(`eeee ${text} eeee`);
  const arrivals = new Arrivals();
  reader.read(bytes, 2, bytes.length - 2, arrivals);
  return Array.from({ length: arrivals.count }, (_, at) => [
    arrivals.topics[at],
    arrivals.fromSeqs[at],
    arrivals.seqs[at],
    arrivals.sentUs[at],
  ]);
}

const SNAPSHOT_READ = [1, 0, 5, Number.NaN];
const DELTA_READ = [1, 6, 8, TIME_US - 256 - 44];

describe('a Tickwire message', () => {
  it('brings book frames, each with its range and exchange time', () => {
    expect(read(`${TOPIC} ${TIME} ${SNAPSHOT} ${DELTA}`)).toEqual([SNAPSHOT_READ, DELTA_READ]);
  });

  it('may begin with frames that the generator has no use for', () => {
    expect(read(`${WELCOME} ${ACK} ${TOPIC} ${TIME} ${DELTA}`)).toEqual([DELTA_READ]);
  });

  it('may follow the message that introduced its topics', () => {
    const reader = new TickwireReader(new Map([['BENCH-1', 1]]));
    expect(read(TOPIC, reader)).toEqual([]);
    expect(read(`${TIME} ${DELTA}`, reader)).toEqual([DELTA_READ]);
  });

  it('takes each time frame as the base of what follows it', () => {
    const earlier = '92 10 ce00002710';
    expect(read(`${TOPIC} ${TIME} ${DELTA} ${earlier} ${DELTA}`)).toEqual([DELTA_READ, [1, 6, 8, 10_000 - 300]]);
  });

  it('may have negative lags, of any width', () => {
    const lags = ['ff', 'd0ff', 'd1ffff', 'd2ffffffff', 'd3ffffffffffffffff'];
    const frames = lags.map((lag) => `9a 12 cd012c 08 02 ${lag} 2c 00 00 90 90`);
    const sentUs = read(`${TOPIC} ${TIME} ${frames.join(' ')}`).map((arrival) => arrival[3]);
    expect(sentUs).toEqual(lags.map(() => TIME_US + 1 - 44));
  });

  it('may have parts, resets, health and frames of the future around its book frames', () => {
    const part = '9a 19 cd012c 00 09 00 00 02 02 dc0002 0102 90';
    const reset = '94 18 cd012c 09 02';
    const health = '94 16 cd012c 00 ccc8';
    const future = '98 78 c3 cb3ff8000000000000 c403010203 81a161c0 dd0000000102 d601aabbccdd c70205aabb';
    expect(read(`${TOPIC} ${part} ${reset} ${TIME} ${DELTA} ${health} ${future}`)).toEqual([DELTA_READ]);
  });

  it('may have trailing elements in every frame', () => {
    const longer = DELTA.replace('9a', 'dc000c').concat(' 03 a3616263');
    expect(read(`${TOPIC.replace('9a', '9b')} a178 ${TIME.replace('92', '93')} c0 ${longer}`)).toEqual([DELTA_READ]);
  });

  it('keeps error frames', () => {
    const reader = new TickwireReader(new Map());
    expect(read('95 02 01 ab756e6b6e6f776e2d6f7021 a0 a0', reader)).toEqual([]);
    expect(reader.errors).toEqual(['unknown-op!']);
  });

  it.each([
    ['ends within a frame', `${TOPIC} ${TIME} ${DELTA.slice(0, -6)}`, /ends within/],
    ['begins with something else than an array', 'c0', /not an array/],
    ['has a text where a number belongs', '92 10 a161', /integer belongs/],
    ['has a byte that MessagePack does not know', '92 79 c1', /no MessagePack value/],
    ['names a symbol that was not asked for', '9a 11 01 a4626f6f6b a158 01 02 08 02 01 01', /"X"/],
    ['has a book frame before its topic', `${TIME} ${DELTA}`, /no topic frame/],
    ['has a book frame before its time', `${TOPIC} ${DELTA}`, /before the time frame/],
  ])('is refused when it %s', (_, text, fault) => {
    expect(() => read(text)).toThrow(fault);
  });
});

describe('the subscribe request', () => {
  it('asks for full books', () => {
    expect(subscribeRequest(1, ['A', 'BC'], 'live').toString('hex')).toBe(
      hex(
        '85 a26f70 a9737562736372696265 a26964 01 a76368616e6e656c a4626f6f6b a773796d626f6c73 dc0002 a141 a24243 a56465707468 00',
      ).toString('hex'),
    );
  });

  it('names the mode where it is raw', () => {
    expect(subscribeRequest(200, [], 'raw').toString('hex')).toBe(
      hex(
        '86 a26f70 a9737562736372696265 a26964 cd00c8 a76368616e6e656c a4626f6f6b a773796d626f6c73 dc0000 a56465707468 00 a46d6f6465 a3726177',
      ).toString('hex'),
    );
  });
});
