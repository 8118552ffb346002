// Holds GET /metrics of a real gateway to the catalogue, both ways, to labels that are known or bounded, and what happens at its doors
// to exactly the difference that it makes.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { metricsPage, PROCESS_METRICS } from '../../scripts/metrics-page.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { METRICS, type Metric } from '../../src/insight/catalogue.ts';
import { LABEL_VALUES } from '../../src/insight/label-values.ts';
import { Metrics } from '../../src/insight/metrics.ts';
import { logCounters } from '../../src/ports/log-counters.ts';
import { SUBPROTOCOL_JSON } from '../../src/protocol/frames.ts';
import { packageVersion } from '../../src/settings/settings.ts';
import { debianTool } from '../debian.ts';
import { ask, publish, startGateway, stopAll, TestClient } from '../gateway/harness.ts';
import { endPublishers, PublisherClient } from '../gateway/publisherclient.ts';
import { documentFile, EVERYTHING, keyFor } from '../sessions/access-scene.ts';
import { measured, type Scrape, scrape } from './scrape.ts';

const LISTED = ['A', 'B.C_d-9'].map((symbol) => ({ symbol, priceScale: 0, sizeScale: 0 }));
const SNAPSHOT = { symbol: 'A', type: 'snapshot', bids: [['99', '1']], asks: [['101', '1']] };
const TRADE = { symbol: 'A', type: 'trade', price: '100', size: '1' };
/** What only a Redis makes. */
const WITHOUT_REDIS = ['tickwire_bus_canary_seconds'];
const SERIES_MAX = 400;

afterEach(() => {
  endPublishers();
  stopAll();
});

function open(settings: Parameters<typeof startGateway>[0] = {}): Gateway {
  return measured(startGateway(settings, LISTED));
}

async function during(
  gateway: Gateway,
  act: () => Promise<unknown>,
  prefixes?: readonly string[],
): Promise<Record<string, number>> {
  const before = await scrape(gateway);
  await act();
  return (await scrape(gateway)).since(before, prefixes);
}

async function subscribed(gateway: Gateway): Promise<TestClient> {
  const client = await TestClient.connect(gateway);
  client.send({ op: 'subscribe', id: 1, channel: 'trade', symbols: ['A'] });
  await client.settled();
  return client;
}

/** Everything that a gateway meets in a day. */
async function use(gateway: Gateway): Promise<void> {
  const client = await TestClient.connect(gateway, 'msgpack');
  client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A', 'B.C_d-9', '*"\n\\', 'NONE'] });
  client.send({ op: 'subscribe', id: 2, channel: 'book', symbols: ['A'], group: 10 });
  client.send({ op: 'subscribe', id: 3, channel: 'trade', symbols: ['*'] }, { op: 'nonsense', id: 4 });
  await client.settled();
  await publish(gateway, [SNAPSHOT, TRADE, { ...TRADE, symbol: '"}\n' }, { ...TRADE, price: '1.5' }]);
  const publisher = await PublisherClient.connect(gateway);
  publisher.send({ op: 'publish', id: 1, items: [TRADE] });
  await publisher.next('ack');
  await client.next('trade');
  client.end();
  await client.closed;
  const back = await TestClient.connect(gateway);
  back.send({ op: 'resume', id: 9, token: client.token });
  await back.next('ack');
  await back.settled();
  await ask(gateway, '/v1/none"{}');
}

describe('a scrape of a gateway that was used', () => {
  let told: Scrape;

  test('has every name of the catalogue and every documented one of the process, and no other', async () => {
    const gateway = open();
    await use(gateway);
    // What the process tells begins with the first scrape.
    await scrape(gateway);
    told = await scrape(gateway);
    const expected = [...Object.keys(METRICS), ...Object.keys(PROCESS_METRICS)];
    expect([...told.names].sort()).toEqual(expected.sort());
    for (const [name, { type }] of Object.entries(METRICS)) expect([name, told.types.get(name)]).toEqual([name, type]);
    const silent = Object.keys(METRICS).filter((name) => ![...told.series.keys()].some((key) => key.startsWith(name)));
    expect(silent).toEqual(WITHOUT_REDIS);
  });

  test('has only labels of the catalogue, with values that are known or bounded', () => {
    const faults: string[] = [];
    for (const [key, { name, labels }] of told.series) {
      const metric: Metric | undefined = Object.entries<Metric>(METRICS).find(
        ([each, { type }]) =>
          each === name ||
          (type === 'histogram' && /^_(bucket|sum|count)$/.test(name.slice(each.length)) && name.startsWith(each)),
      )?.[1];
      if (metric === undefined) continue;
      const names = Object.keys(labels).filter((label) => label !== 'le');
      if (names.join() !== (metric.labels ?? []).join()) faults.push(key);
      for (const [label, value] of Object.entries(labels)) {
        if (LABEL_VALUES[label]?.includes(value) === false) faults.push(key);
      }
    }
    expect(faults).toEqual([]);
    const own = [...told.series.values()].filter(({ name }) => name.startsWith('tickwire_'));
    expect(own.length).toBeLessThan(SERIES_MAX);
    const channels = own.flatMap(({ labels }) => labels.channel ?? []);
    expect(new Set(channels)).toEqual(new Set(['book', 'book@10', 'trade']));
  });

  test('passes promtool', { timeout: 300_000 }, async () => {
    const { path, env } = await debianTool('promtool');
    const complaints = await new Promise<string>((resolve) => {
      const child = execFile(path, ['check', 'metrics'], { env }, (error, stdout, stderr) =>
        resolve(error === null ? stdout + stderr : `${error.code}: ${stdout}${stderr}`),
      );
      child.stdin!.end(told.text);
    });
    expect(complaints).toBe('');
  });
});

test('docs/metrics.md is what the catalogue says (else: npx tsx scripts/metrics-page.ts)', () => {
  expect(readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsPage());
});

const REFUSED = { code: 'off-tick' } as const;

/** What happens once, and exactly what it changes of the metrics that begin so. */
const EVENTS: Readonly<
  Record<
    string,
    readonly [prefixes: readonly string[], act: (gateway: Gateway) => Promise<unknown>, Record<string, number>]
  >
> = {
  'a client that is let in': [
    ['tickwire_connections', 'tickwire_admissions', 'tickwire_pace_connections'],
    (gateway) => TestClient.connect(gateway),
    {
      'tickwire_connections{stream="subscribe"}': 1,
      'tickwire_admissions_total{stream="subscribe"}': 1,
      'tickwire_pace_connections{pace="real-time"}': 1,
    },
  ],
  'a publisher that is let in': [
    ['tickwire_connections', 'tickwire_admissions'],
    (gateway) => PublisherClient.connect(gateway),
    { 'tickwire_connections{stream="publish"}': 1, 'tickwire_admissions_total{stream="publish"}': 1 },
  ],
  'a symbol that is refused': [
    ['tickwire_refusals'],
    async (gateway) => {
      const client = await TestClient.connect(gateway);
      client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['NONE'] });
      await client.next('ack');
    },
    { 'tickwire_refusals_total{code="unknown-symbol"}': 1 },
  ],
  'an update that is taken, over HTTP': [
    ['tickwire_publish', 'tickwire_refusals'],
    (gateway) => publish(gateway, TRADE),
    { tickwire_published_total: 1 },
  ],
  'an update that is taken, over a WebSocket': [
    ['tickwire_published_total', 'tickwire_refusals'],
    async (gateway) => {
      const publisher = await PublisherClient.connect(gateway);
      publisher.send({ op: 'publish', id: 1, items: [TRADE] });
      await publisher.next('ack');
    },
    { tickwire_published_total: 1 },
  ],
  'an update that is refused': [
    ['tickwire_publish', 'tickwire_refusals'],
    (gateway) => publish(gateway, { ...TRADE, price: '1.5' }),
    {
      [`tickwire_publish_refusals_total{code="${REFUSED.code}"}`]: 1,
      [`tickwire_refusals_total{code="${REFUSED.code}"}`]: 1,
    },
  ],
  'a publisher that sends more than it may': [
    ['tickwire_closes', 'tickwire_connections'],
    async (gateway) => {
      const publisher = await PublisherClient.connect(gateway);
      publisher.send({ op: 'publish', id: 1, items: [TRADE, TRADE, TRADE] });
      await publisher.closed;
    },
    { 'tickwire_closes_total{reason="overrun"}': 1 },
  ],
  'a token that brings nothing': [
    ['tickwire_resumptions'],
    async (gateway) => {
      const client = await TestClient.connect(gateway);
      client.send({ op: 'resume', id: 9, token: 'nonsense' });
      await client.next('error');
    },
    { 'tickwire_resumptions_total{outcome="bad-token"}': 1 },
  ],
  'a client that comes back with its token': [
    ['tickwire_resumptions', 'tickwire_healed', 'tickwire_sessions_kept'],
    async (gateway) => {
      const first = await subscribed(gateway);
      first.end();
      await first.closed;
      const back = await TestClient.connect(gateway);
      back.send({ op: 'resume', id: 9, token: first.token });
      await back.next('ack');
      await back.settled();
    },
    {
      'tickwire_resumptions_total{outcome="resumed"}': 1,
      'tickwire_healed_topics_total{how="snapshot"}': 1,
      // The one that was redeemed is remembered, so that its token is known as used.
      tickwire_sessions_kept: 2,
    },
  ],
};

describe('counts exactly', () => {
  test.each(Object.entries(EVENTS))('%s', async (_, [prefixes, act, expected]) => {
    const gateway = open({ publishCreditsMax: 2 });
    expect(await during(gateway, () => act(gateway), prefixes)).toEqual(expected);
  });

  test('the address and the principal of a client, and who leaves', async () => {
    const desk = keyFor('desk-1', 'desk', 'all');
    const accessFile = documentFile({ roles: { all: { subscribe: EVERYTHING } }, keys: [desk.entry] });
    const gateway = open({ accessFile, trustedProxies: '127.0.0.1' });
    const headers = { 'x-forwarded-for': '203.0.113.7', authorization: `Bearer ${desk.key}` };
    const names = ['tickwire_addresses', 'tickwire_principals', 'tickwire_connections'];
    const before = await scrape(gateway);
    const client = TestClient.open(gateway, SUBPROTOCOL_JSON, headers);
    await client.next('welcome');
    const there = await scrape(gateway);
    expect(there.since(before, names)).toEqual({
      tickwire_addresses: 1,
      tickwire_principals: 1,
      'tickwire_connections{stream="subscribe"}': 1,
    });
    client.end();
    while (gateway.connections.size > 0) await new Promise(setImmediate);
    expect((await scrape(gateway)).since(before, names)).toEqual({});
  });

  test('the settings and the versions that are in force', async () => {
    const gateway = open({ connectionsMax: 7 });
    const told = await scrape(gateway);
    expect(told.value('tickwire_connections_max')).toBe(7);
    const build = [...told.series.values()].find(({ name }) => name === 'tickwire_build_info');
    expect(build).toMatchObject({ value: 1, labels: { version: packageVersion(), node: process.version } });
  });

  test('how busy the process is', async () => {
    const gateway = open();
    const text = await new Metrics(() => ({ ...gateway.figures, busy: 0.42 })).text();
    expect(text).toContain('\ntickwire_busy_ratio 0.42\n');
  });

  test('lines of the log, and those that were left out', async () => {
    const gateway = open();
    const changed = await during(gateway, async () => {
      logCounters.lines.warn += 1;
      logCounters.dropped += 2;
    }, ['tickwire_log']);
    expect(changed).toEqual({ 'tickwire_log_lines_total{level="warn"}': 1, tickwire_log_lines_dropped_total: 2 });
  });

  test('a drain: neither ready nor filling up, and everybody is closed', async () => {
    const gateway = open({ drainMs: 0 });
    const client = await TestClient.connect(gateway);
    const changed = await during(gateway, async () => {
      await gateway.drain();
      await client.closed;
    }, ['tickwire_ready', 'tickwire_draining', 'tickwire_closes']);
    expect(changed).toEqual({
      tickwire_ready: -1,
      tickwire_draining: 1,
      'tickwire_closes_total{reason="going-away"}': 1,
    });
  });
});

describe('a gateway', () => {
  test('tells nothing of another one in its process', async () => {
    const [one, other] = [open(), open()];
    const before = await scrape(other);
    await use(one);
    const changed = (await scrape(other)).since(before, ['tickwire_']);
    // How busy the process is, and what it logs, is of both.
    const own = Object.keys(changed).filter((key) => !/^tickwire_(busy_ratio|log_lines)/.test(key));
    expect(own).toEqual([]);
  });

  test('shares a scrape among all who ask meanwhile', async () => {
    const gateway = open();
    let asked = 0;
    const metrics = new Metrics(() => {
      asked += 1;
      return gateway.figures;
    });
    const texts = await Promise.all(Array.from({ length: 50 }, () => metrics.text()));
    expect(new Set(texts).size).toBe(1);
    expect(asked).toBe(2);
  });

  test('names its busiest topics, as many as the setting says', async () => {
    const gateway = open({ metricsTopTopics: 1 });
    const client = await TestClient.connect(gateway);
    client.send({ op: 'subscribe', id: 1, channel: 'trade', symbols: ['A', 'B.C_d-9'] });
    await client.settled();
    await publish(gateway, [TRADE, TRADE, { ...TRADE, symbol: 'B.C_d-9' }]);
    const top = [...(await scrape(gateway)).series.keys()].filter((key) =>
      key.startsWith('tickwire_top_topic_updates'),
    );
    expect(top).toEqual(['tickwire_top_topic_updates_total{channel="trade",symbol="A"}']);
    const none = await scrape(open({ metricsTopTopics: 0 }));
    expect([...none.series.keys()].filter((key) => key.startsWith('tickwire_top_topic'))).toEqual([]);
  });

  test('writes a label so that no symbol, whatever it holds, makes a line of its own', async () => {
    const gateway = open();
    const symbol = 'A"} 1\ntickwire_ready 7\\';
    const topic = { channel: 'book', symbol, group: 0, updates: 3, users: 1 } as const;
    const topics = { size: 1, counters: gateway.topics.counters, each: () => [topic].values() } as never;
    const text = await new Metrics(() => ({ ...gateway.figures, topics })).text();
    expect(text).toContain('symbol="A\\"} 1\\ntickwire_ready 7\\\\"} 3\n');
    expect(text.split('\n').filter((line) => line.startsWith('tickwire_ready'))).toEqual(['tickwire_ready 1']);
  });

  test('tells its metrics to nobody without the token that is set', async () => {
    const adminToken = 'a-token-of-the-admin';
    const gateway = open({ adminToken });
    expect((await fetch(`${gateway.adminUrl}/metrics`)).status).toBe(401);
    const told = await fetch(`${gateway.adminUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
    expect([told.status, told.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  });

  test('tells the same counters at /v1/admin/stats', async () => {
    const gateway = open();
    await use(gateway);
    const told = await scrape(gateway);
    const stats = (await (await fetch(`${gateway.adminUrl}/v1/admin/stats`)).json()) as {
      flush: { flushes: number };
      answers: { updates: number };
    };
    expect(told.value('tickwire_flushes_total')).toBe(stats.flush.flushes);
    expect(told.value('tickwire_updates_total')).toBe(stats.answers.updates);
  });
});
