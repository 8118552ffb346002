// Holds the publisher SDK's leases and keys to their word on real gateways, and what it tells a service whose bus is gone.
// What the gateway's bus is asked is watched, so that a test waits for it and not for time.

import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { Published } from '../../src/bus/bus.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { fault } from '../../src/protocol/errors.ts';
import { type PublishError, type Publisher, type PublisherOptions, publisher } from '../../src/publisher/index.ts';
import { portOf, startGateway, stopAll } from '../gateway/harness.ts';
import { SYMBOLS } from '../gateway/items.ts';

const made: Publisher[] = [];
afterEach(async () => {
  stopAll();
  await Promise.all(made.splice(0).map((each) => each.close()));
});

function make(gateway: Gateway, transport: string, options: PublisherOptions = {}): Publisher {
  const out = publisher(`${transport}://127.0.0.1:${portOf(gateway)}`, options);
  made.push(out);
  return out;
}

const BOOK = { bids: [['10.00', '1']], asks: [['10.05', '3']] } as const;
const CHANGE = { bids: [['10.00', '2']] } as const;
const refusal = (promise: Promise<unknown>): Promise<PublishError> =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: PublishError) => error,
  );

/** A promise, and what settles it. */
function lossOf(): { lost: Promise<PublishError>; onLost: (error: PublishError) => void } {
  let onLost: (error: PublishError) => void = () => {};
  const lost = new Promise<PublishError>((resolve) => {
    onLost = resolve;
  });
  return { lost, onLost };
}

/** Tells of each lease that the gateway's bus has given or refused, and of each that it got back. */
function watchLeases({ bus }: Gateway): EventEmitter {
  const events = new EventEmitter();
  const { lease, release } = bus;
  bus.lease = async (...args) => {
    const leased = await lease.apply(bus, args);
    setImmediate(() => events.emit('leased', leased));
    return leased;
  };
  bus.release = async (...args) => {
    const released = await release.apply(bus, args);
    setImmediate(() => events.emit('released', args[2]));
    return released;
  };
  return events;
}

describe.each(['ws', 'http'])('over %s', (transport) => {
  test('the holder of a lease publishes alone, and others as soon as it has released it', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const [mine, other] = [make(gateway, transport), make(gateway, transport)];
    const lease = await mine.lease('A');
    expect(lease.held).toBe(true);
    expect((await mine.snapshot('A', BOOK, { lease: lease.token })).seq).toBe(1);
    expect((await mine.delta('A', CHANGE, { lease: lease.token })).seq).toBe(2);
    expect(await refusal(other.delta('A', CHANGE))).toMatchObject({ code: 'leased', symbol: 'A' });
    expect(await refusal(other.lease('A'))).toMatchObject({ code: 'leased', symbol: 'A' });
    await lease.release();
    await lease.release();
    expect(lease.held).toBe(false);
    expect(await refusal(mine.delta('A', CHANGE, { lease: lease.token }))).toMatchObject({ code: 'fenced' });
    const next = await other.lease('A');
    expect(next.token).toBeGreaterThan(lease.token);
    expect((await other.delta('A', CHANGE, { lease: next.token })).seq).toBe(3);
  });

  test('an item with a key may be published again, and is applied once', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const out = make(gateway, transport);
    const trade = { id: 7, price: '10', size: '1' } as const;
    const first = await out.trade('A', trade, { key: 'fill-7' });
    expect(await out.trade('A', trade, { key: 'fill-7' })).toEqual(first);
    expect(await out.publish({ type: 'trade', symbol: 'A', ...trade, key: 'fill-7', lease: undefined })).toEqual(first);
    expect((await out.trade('A', trade)).seq).toBe(2);
    expect(await refusal(out.trade('A', trade, { key: '' }))).toMatchObject({ code: 'bad-request' });
  });

  test('a bus that is gone is told with its code; snapshots are asked for in pauses until one is taken', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const { bus } = gateway;
    const publish = bus.publish.bind(bus);
    const ends: string[] = [];
    const asked: string[] = [];
    let taken = (): void => {};
    const back = new Promise<void>((resolve) => {
      taken = resolve;
    });
    const out = make(gateway, transport, {
      onNeedsSnapshot: (symbol) => {
        asked.push(symbol);
        out.snapshot(symbol, BOOK).then(
          () => taken(),
          ({ code }: PublishError) => ends.push(code),
        );
      },
    });
    await out.snapshot('A', BOOK);
    let refusals = 2;
    bus.publish = async (publications): Promise<Published[]> => {
      if (refusals-- <= 0) return publish(publications);
      return publications.map(() => ({ refused: fault('bus-down') }));
    };
    const items = [out.delta('A', CHANGE), out.delta('A', CHANGE), out.trade('FINE', { price: '1', size: '1' })];
    const codes = (await Promise.all(items.map(refusal))).map(({ code }) => code);
    expect(codes).toEqual(['bus-down', 'bus-down', 'bus-down']);
    expect(asked).toEqual([]);
    await back;
    // Once for the two changes, once for the snapshot that was refused, and not for the trade.
    expect(asked).toEqual(['A', 'A']);
    expect(ends).toEqual(['bus-down']);
    expect((await out.delta('A', CHANGE)).seq).toBe(3);
  });
});

describe('a lease', () => {
  test('is renewed by itself, with its token', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const events = watchLeases(gateway);
    const out = make(gateway, 'http');
    const first = once(events, 'leased');
    const lease = await out.lease('A', { ttlMs: 1_200, holder: 'me' });
    await first;
    for (let renewals = 0; renewals < 3; renewals++) {
      const [leased] = (await once(events, 'leased')) as [unknown];
      expect(leased).toEqual({ token: lease.token, ttlMs: 1_200 });
    }
    expect(lease.held).toBe(true);
    expect((await out.snapshot('A', BOOK, { lease: lease.token })).seq).toBe(1);
  });

  test('of another channel than the book is one of that alone', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const out = make(gateway, 'ws');
    const lease = await out.lease('A', { channel: 'trade' });
    const trade = { price: '10', size: '1' } as const;
    expect((await out.snapshot('A', BOOK)).seq).toBe(1);
    expect(await refusal(out.trade('A', trade))).toMatchObject({ code: 'leased' });
    expect((await out.trade('A', trade, { lease: lease.token })).seq).toBe(1);
  });

  test('that another publisher has got is lost, and that is told once', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const out = make(gateway, 'http');
    const told: string[] = [];
    const { lost, onLost } = lossOf();
    const lease = await out.lease('A', {
      ttlMs: 1_500,
      onLost: (error) => {
        told.push(error.code);
        onLost(error);
      },
    });
    await gateway.bus.release('book', 'A', lease.token);
    await gateway.bus.lease('book', 'A', { holder: 'other', ttlMs: 60_000 });
    expect(await lost).toMatchObject({ name: 'PublishError', code: 'leased', symbol: 'A' });
    expect(lease.held).toBe(false);
    expect(await refusal(out.snapshot('A', BOOK, { lease: lease.token }))).toMatchObject({ code: 'fenced' });
    await lease.release();
    expect(told).toEqual(['leased']);
  });

  test('that had run out before it was renewed is lost, and what it is given instead goes back', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const events = watchLeases(gateway);
    const { lost, onLost } = lossOf();
    const lease = await make(gateway, 'http').lease('A', { ttlMs: 1_500, onLost });
    await gateway.bus.release('book', 'A', lease.token);
    await once(events, 'released');
    const returned = once(events, 'released');
    expect(await lost).toMatchObject({ code: 'fenced', symbol: 'A' });
    expect(await returned).toEqual([lease.token + 1]);
    expect(await gateway.bus.lease('book', 'A', { holder: 'other', ttlMs: 1_000 })).toMatchObject({ ttlMs: 1_000 });
  });

  test('of a gateway that is gone is lost when its life is over, and says why', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const { lost, onLost } = lossOf();
    const lease = await make(gateway, 'http').lease('A', { ttlMs: 150, onLost });
    gateway.stop();
    const error = await lost;
    expect(error).toMatchObject({ code: 'fenced', symbol: 'A' });
    expect(error.message).toContain('no connection to the gateway');
    expect(lease.held).toBe(false);
  });

  test('survives a gateway that does not give an answer for a moment', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const events = watchLeases(gateway);
    const out = make(gateway, 'http');
    const first = once(events, 'leased');
    const lease = await out.lease('A', { ttlMs: 1_500 });
    await first;
    const { lease: give } = gateway.bus;
    let failed = false;
    gateway.bus.lease = async (...args) => {
      if (failed) return give.apply(gateway.bus, args);
      failed = true;
      return { refused: fault('bus-down') };
    };
    const [leased] = (await once(events, 'leased')) as [unknown];
    expect([failed, leased]).toEqual([true, { token: lease.token, ttlMs: 1_500 }]);
    expect(lease.held).toBe(true);
  });

  test('ends with its publisher: it is renewed no more', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const out = make(gateway, 'ws');
    const lease = await out.lease('A');
    await out.close();
    expect(lease.held).toBe(false);
    expect(await refusal(out.lease('A'))).toMatchObject({ code: 'closed', symbol: 'A' });
  });

  test.each<[object, string]>([
    [{ ttlMs: 99 }, 'bad-request'],
    [{ holder: 'x'.repeat(65) }, 'bad-request'],
    [{ channel: 'candle' }, 'unknown-channel'],
  ])('with %j is refused', async (options, code) => {
    const out = make(startGateway({}, SYMBOLS), 'http');
    expect(await refusal(out.lease('A', options))).toMatchObject({ code, symbol: 'A' });
    expect(await refusal(out.lease('NOPE'))).toMatchObject({ code: 'unknown-symbol' });
    await expect(out.lease('A', { ttlMs: 0.5 })).rejects.toThrow('ttlMs is 0.5: give a whole number');
  });

  test('needs the token of the gateway, where it has one', async () => {
    const gateway = startGateway({ publishToken: 'sesame' }, SYMBOLS);
    expect(await refusal(make(gateway, 'http').lease('A'))).toMatchObject({ code: 'unauthorized' });
    const lease = await make(gateway, 'http', { token: 'sesame' }).lease('A');
    await lease.release();
  });
});
