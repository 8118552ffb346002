// Holds the metrics of topics, delivery and slow clients to what happens: each event is made to happen once, and exactly what it
// counts as is seen, no more. Runs the real data plane on the virtual clock.

import { Unpackr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { Random } from '../simulation/kernel.ts';
import { bid, Handed, MeasuredStation, trade } from './station-metrics.ts';

const unpackr = new Unpackr({ useRecords: false });

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('of an update that is sent', () => {
  test('is told what three equal subscribers cost: one answer, shared twice', async () => {
    const station = await MeasuredStation.open();
    const clients = [station.connect(), station.connect(), station.connect()];
    for (const { stream } of clients) stream.subscribe('book', ['X']);
    await station.settle();
    const handed = clients.map((client) => new Handed(client));
    const changed = await station.during(() => station.publish('X', bid(9)));
    expect(changed).toMatchObject({
      tickwire_updates_total: 1,
      tickwire_flushes_total: 1,
      tickwire_flush_seconds_count: 1,
      tickwire_answers_encoded_total: 1,
      tickwire_answers_shared_total: 2,
      tickwire_messages_sent_total: 3,
      // Each with the time that the others count from.
      tickwire_frames_sent_total: 6,
      tickwire_sent_bytes_total: sum(handed.map(({ bytes }) => bytes)),
      tickwire_publish_to_send_seconds_count: 3,
      tickwire_bus_entries_total: 1,
      'tickwire_top_topic_updates_total{channel="book",symbol="X"}': 1,
    });
    expect(Object.keys(changed)).not.toContain('tickwire_merged_updates_total');
    expect(Object.keys(changed)).not.toContain('tickwire_messages_joined_total');
  });

  test('is told how long it took from the bus to the sockets', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.sendMs = 30;
    const changed = await station.during(() => station.publish('X', bid(9)), ['tickwire_publish', 'tickwire_flush']);
    expect(changed.tickwire_publish_to_send_seconds_sum).toBeCloseTo(0.03, 2);
    expect(changed['tickwire_publish_to_send_seconds_bucket{le="0.025"}']).toBeUndefined();
    expect(changed['tickwire_publish_to_send_seconds_bucket{le="0.05"}']).toBe(1);
    expect(changed.tickwire_flush_seconds_sum).toBeCloseTo(0.03, 2);
  });

  test('is not told of those who wait on purpose', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { interval: 1_000 });
    await station.settle();
    const changed = await station.during(async () => {
      await station.publish('X', bid(9));
      await station.publish('X', bid(8));
      await station.advance(1_000);
    });
    expect(changed).toMatchObject({ tickwire_messages_sent_total: 1, tickwire_merged_updates_total: 1 });
    expect(changed.tickwire_publish_to_send_seconds_count).toBeUndefined();
  });

  test('is told that answers of two topics were joined, and share their time', async () => {
    const station = await MeasuredStation.open(['X', 'Y']);
    const clients = [station.connect(), station.connect()];
    for (const { stream } of clients) stream.subscribe('book', ['X', 'Y']);
    await station.settle();
    const changed = await station.during(async () => {
      await station.publish('X', bid(9));
      await station.publish('Y', bid(9));
    });
    expect(changed).toMatchObject({
      tickwire_messages_joined_total: 1,
      tickwire_messages_sent_total: 2,
      tickwire_frames_sent_total: 6,
      tickwire_answers_encoded_total: 2,
      tickwire_answers_shared_total: 2,
      tickwire_publish_to_send_seconds_count: 4,
    });
  });

  test('is told that it went as part of a later one, unless every update was asked for', async () => {
    const station = await MeasuredStation.open();
    const [live, raw] = [station.connect(), station.connect()];
    live.stream.subscribe('book', ['X']);
    raw.stream.subscribe('book', ['X'], { mode: 'raw' });
    await station.settle();
    const changed = await station.during(async () => {
      for (const size of [6, 7, 8]) await station.publish('X', bid(size));
    });
    expect(changed.tickwire_merged_updates_total).toBe(2);
  });

  test('is not called merged where it shows nothing of what was asked for', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { depth: 1 });
    await station.settle();
    await station.publish('X', bid(7));
    await station.settle();
    const changed = await station.during(async () => {
      await station.publish('X', bid(1, 90));
      await station.settle();
      await station.publish('X', bid(8));
    });
    expect(changed).toMatchObject({ tickwire_updates_total: 2, tickwire_messages_sent_total: 1 });
    expect(changed.tickwire_merged_updates_total).toBeUndefined();
  });
});

test('messages, frames and bytes are those that the sockets were handed, whoever is slow', async () => {
  const station = await MeasuredStation.open(['X', 'Y', 'Z']);
  const random = new Random(3);
  const before = await station.scrape();
  const clients = Array.from({ length: 12 }, (_, i) => station.connect(i % 3 === 0 ? jsonCodec : msgpackCodec));
  const handed = clients.map((client) => new Handed(client));
  for (const [i, { stream }] of clients.entries()) {
    stream.subscribe('book', i % 2 === 0 ? ['X', 'Y', 'Z'] : ['X'], { depth: ([0, 1, 5] as const)[i % 3]! });
    stream.subscribe('trade', ['X']);
    if (i % 4 === 0) stream.subscribe('quote', ['*']);
  }
  await station.settle();
  for (let step = 0; step < 300; step++) {
    const client = clients[random.below(clients.length)]!;
    if (random.chance(0.2)) client.room = random.between(1, 3);
    if (random.chance(0.3)) client.drain();
    client.answersPings = random.chance(0.7);
    for (let updates = random.between(1, 4); updates > 0; updates--) {
      const symbol = ['X', 'Y', 'Z'][random.below(3)]!;
      await station.publish(
        symbol,
        random.chance(0.3) ? trade(step + 1) : bid(1 + random.below(50), 90 + random.below(11)),
      );
    }
    await station.advance(random.below(20));
  }
  const changed = (await station.scrape()).since(before);
  const frames = handed.flatMap(({ copies }, i) =>
    copies.map((copy) =>
      clients[i]!.codec.binary
        ? unpackr.unpackMultiple(copy).length
        : new TextDecoder()
            .decode(copy)
            .split('\n')
            .filter((line) => line !== '').length,
    ),
  );
  expect(sum(Object.values(station.counters.blocked))).toBeGreaterThan(20);
  expect(station.flush.counters.joins).toBeGreaterThan(20);
  expect(changed).toMatchObject({
    tickwire_messages_sent_total: sum(handed.map(({ messages }) => messages)),
    tickwire_frames_sent_total: sum(frames),
    tickwire_sent_bytes_total: sum(handed.map(({ bytes }) => bytes)),
  });
});

test('bytes do not go back when those who had them leave and others come', async () => {
  const station = await MeasuredStation.open();
  const first = station.connect();
  first.stream.subscribe('book', ['X']);
  await station.settle();
  const before = (await station.scrape()).value('tickwire_sent_bytes_total')!;
  first.connection.shut();
  station.connections.delete(first.connection);
  expect((await station.scrape()).value('tickwire_sent_bytes_total')).toBe(before);
  station.connect();
  await station.settle();
  expect((await station.scrape()).value('tickwire_sent_bytes_total')).toBe(before);
});

describe('of those who begin, or begin anew', () => {
  test('a snapshot counts once for all who begin with it', async () => {
    const station = await MeasuredStation.open();
    const clients = [station.connect(), station.connect()];
    const changed = await station.during(() => {
      for (const { stream } of clients) stream.subscribe('book', ['X'], { depth: 5 });
    });
    expect(changed).toMatchObject({
      tickwire_snapshots_total: 1,
      tickwire_answers_shared_total: 1,
      tickwire_subscriptions: 2,
      tickwire_topics: 1,
      'tickwire_top_topic_subscribers{channel="book",symbol="X"}': 2,
    });
    expect(Object.keys(changed).filter((each) => each.startsWith('tickwire_resets'))).toEqual([]);
  });

  test('a client that doubts its book begins anew, and says so', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    const changed = await station.during(() => client.stream.resync('book', ['X']), ['tickwire_resets']);
    expect(changed).toEqual({ 'tickwire_resets_total{reason="requested"}': 1 });
  });

  test('who asked for every update, and was away for longer than they are kept, is told of a gap', async () => {
    const station = await MeasuredStation.open(['X'], { ringFramesMax: 16 });
    const client = station.connect();
    client.stream.subscribe('trade', ['X']);
    await station.settle();
    client.room = 1;
    await station.publish('X', trade(1));
    await station.settle();
    for (let price = 2; price < 40; price++) await station.publish('X', trade(price));
    await station.settle();
    const changed = await station.during(() => client.drain(), ['tickwire_gaps', 'tickwire_resets']);
    expect(changed).toEqual({ tickwire_gaps_total: 1 });
  });

  test('who comes back with a cursor is counted by how it was healed', async () => {
    const station = await MeasuredStation.open();
    await station.publish('X', bid(9));
    const { epoch } = await station.bus.load('book', 'X');
    const comeBack = (cursor: { epoch: number; seq: number }) => () => {
      station.connect().stream.subscribe('book', ['X'], { cursor: { X: { ...cursor, depth: 0 } } });
    };
    expect(await station.during(comeBack({ epoch, seq: 1 }), ['tickwire_healed'])).toEqual({
      'tickwire_healed_topics_total{how="diffed"}': 1,
    });
    expect(
      await station.during(comeBack({ epoch: epoch + 1, seq: 1 }), ['tickwire_healed', 'tickwire_resets']),
    ).toEqual({
      'tickwire_healed_topics_total{how="snapshot"}': 1,
      'tickwire_resets_total{reason="epoch"}': 1,
    });
  });
});

describe('of a slow client', () => {
  test('a full socket blocks once, is seen as blocked, and merges what it misses', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.room = 1;
    const blocked = await station.during(() => station.publish('X', bid(9)), ['tickwire_block']);
    expect(blocked).toEqual({
      'tickwire_blocks_total{by="socket"}': 1,
      'tickwire_blocked_connections{by="socket"}': 1,
    });
    const healed = await station.during(async () => {
      for (const size of [1, 2, 3]) await station.publish('X', bid(size));
      await station.advance(10);
      client.drain();
    }, ['tickwire_block', 'tickwire_merged']);
    expect(healed).toEqual({ 'tickwire_blocked_connections{by="socket"}': -1, tickwire_merged_updates_total: 2 });
  });

  test('a full window, a budget and a wish block under their own names', async () => {
    const station = await MeasuredStation.open();
    const [window, budget, demo] = [station.connect(), station.connect(), station.connect()];
    for (const { stream } of [window, budget]) stream.subscribe('book', ['X']);
    await station.settle();
    const before = await station.scrape();
    window.answersPings = false;
    budget.connection.limit({ maxBytesPerSec: 1_000 });
    demo.connection.stall(5_000);
    for (let size = 1; size < 2_000; size++) {
      await station.publish('X', bid(size));
      await station.settle();
    }
    const changed = (await station.scrape()).since(before, ['tickwire_blocked_connections', 'tickwire_blocks_total']);
    expect(changed).toMatchObject({
      'tickwire_blocks_total{by="window"}': 1,
      'tickwire_blocked_connections{by="window"}': 1,
      'tickwire_blocks_total{by="budget"}': 1,
      'tickwire_blocks_total{by="demo"}': 1,
      'tickwire_blocked_connections{by="demo"}': 1,
    });
  });

  test('what it is told meanwhile waits in this process, and is seen to', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.connection.stall(5_000);
    const changed = await station.during(
      () => client.connection.tell({ type: 'pong', id: 1, timeUs: 1 }),
      ['tickwire_queued'],
    );
    expect(changed).toEqual({ tickwire_queued_bytes: client.connection.queuedBytes });
    expect(client.connection.queuedBytes).toBeGreaterThan(0);
  });

  test('steps of the ladder, ages, windows and the close are told', async () => {
    const station = await MeasuredStation.open(['X'], { ageMsMax: 10_000 });
    station.beginPulse();
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    expect((await station.scrape()).value('tickwire_pace_connections{pace="real-time"}')).toBe(1);
    client.answersPings = false;
    client.room = 1;
    await station.publish('X', bid(9));
    await station.settle();
    const changed = await station.during(async () => {
      await station.publish('X', bid(8));
      await station.advance(3_000);
    }, ['tickwire_pace_']);
    expect(changed).toMatchObject({ 'tickwire_pace_connections{pace="real-time"}': -1 });
    expect(changed.tickwire_pace_changes_total).toBe(station.counters.paces);
    expect(station.counters.paces).toBeGreaterThan(0);
    const { pace } = client.connection.rung;
    const told = await station.scrape();
    expect(told.value(`tickwire_pace_connections{pace="${pace}"}`)).toBe(1);
    expect(told.value(`tickwire_pace_window_bytes{pace="${pace}",quantile="1"}`)).toBe(client.connection.window.bytes);
    expect(told.value('tickwire_pace_age_seconds{pace="real-time",quantile="0.5"}')).toBeUndefined();
    expect(told.value(`tickwire_pace_age_seconds{pace="${pace}",quantile="1"}`)).toBeGreaterThan(2);
    const closed = await station.during(() => station.advance(60_000), ['tickwire_closes']);
    expect(closed).toEqual({ [`tickwire_closes_total{reason="${client.closedWith!.reason}"}`]: 1 });
  });

  test('a process that is busy puts flushes off', async () => {
    const station = await MeasuredStation.open();
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.sendMs = 3;
    await station.publish('X', bid(9));
    await station.settle();
    station.demand = 0.95;
    const changed = await station.during(() => station.publish('X', bid(8)), ['tickwire_flush_holds']);
    expect(changed).toEqual({ tickwire_flush_holds_total: 1 });
  });
});

test('a quiet link has heartbeats, pings and pongs, each counted once', async () => {
  const station = await MeasuredStation.open();
  station.beginPulse();
  const client = station.connect();
  client.stream.subscribe('book', ['X']);
  await station.settle();
  let pings = 0;
  const ping = client.ping.bind(client);
  client.ping = (payload) => {
    pings += 1;
    return ping(payload);
  };
  const beats = client.of('heartbeat').length;
  const changed = await station.during(() => station.advance(20_000), ['tickwire_heart', 'tickwire_pi', 'tickwire_po']);
  expect(changed).toEqual({
    tickwire_heartbeats_total: client.of('heartbeat').length - beats,
    tickwire_pings_total: pings,
    tickwire_pongs_total: pings,
  });
  expect(pings).toBeGreaterThan(2);
});

test('instruments, topics and subscriptions are counted as they come and go', async () => {
  const station = await MeasuredStation.open(['X'], { graceMs: 1_000 });
  const client = station.connect();
  expect(await station.during(() => station.list('Y'), ['tickwire_instruments'])).toEqual({ tickwire_instruments: 1 });
  client.stream.subscribe('book', ['X', 'Y']);
  await station.settle();
  const left = await station.during(async () => {
    client.stream.unsubscribe('book', ['Y']);
    await station.advance(2_000);
  }, ['tickwire_topics', 'tickwire_subscriptions', 'tickwire_top_topic_subscribers']);
  expect(left).toEqual({ tickwire_topics: -1, tickwire_subscriptions: -1 });
});
