// Holds that every setting that is marked live is obeyed by a running gateway as soon as it has read it again: one real gateway each,
// the setting as it was, the settings read anew, the setting as it is.

import { pino } from 'pino';
import { afterAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { Gateway } from '../../src/gateway/gateway.ts';
import { Metrics } from '../../src/insight/metrics.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { SUBPROTOCOL_JSON } from '../../src/protocol/frames.ts';
import type { Setting } from '../../src/settings/setting.ts';
import { readSettings, SETTINGS, type SettingName, type Settings } from '../../src/settings/settings.ts';
import { list, publish, putInstrument, stopAll, TestClient } from './harness.ts';
import { endPublishers, PublisherClient } from './publisherclient.ts';

const PLAIN = { priceScale: 2, sizeScale: 0 };
const TOKEN = 'the-first-token-of-some';
const BEARER = { authorization: `Bearer ${TOKEN}` };

const gateways = new Set<Gateway>();
afterAll(() => {
  stopAll();
  endPublishers();
  for (const gateway of gateways) gateway.stop();
});

/** A gateway on free ports, and what it logs. */
class Scene {
  readonly gateway: Gateway;
  readonly lines: Record<string, unknown>[] = [];
  private given: Partial<Settings>;

  constructor(given: Partial<Settings>) {
    this.given = { port: 0, adminPort: 0, ...given };
    const write = (line: string): void => {
      this.lines.push(JSON.parse(line));
    };
    this.gateway = new Gateway(readSettings(this.given, {}), pino({ level: 'info' }, { write }));
    this.gateway.start();
    gateways.add(this.gateway);
    for (const symbol of ['A', 'B']) list(this.gateway, { symbol, ...PLAIN });
  }

  /** Reads the settings again, with these changed. */
  change(more: Partial<Settings>): readonly string[] {
    this.given = { ...this.given, ...more };
    return this.gateway.reload(() => readSettings(this.given, {}));
  }

  /** Lines of an event. */
  said(event: string): Record<string, unknown>[] {
    return this.lines.filter((line) => line.event === event);
  }

  open(headers: Readonly<Record<string, string>> = {}): TestClient {
    return TestClient.open(this.gateway, SUBPROTOCOL_JSON, headers);
  }

  /** The code with which one more client is refused; `welcome` where it is not. */
  async entry(headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const client = this.open(headers);
    const frame = (await client.takeUntil(({ type }) => type === 'welcome' || type === 'refused', 'an answer')).at(-1)!;
    return frame.type === 'refused' ? frame.code : frame.type;
  }

  /** What a request is answered: the error's code, or `ack`. */
  async answer(client: TestClient, request: object): Promise<string> {
    client.send({ id: 7, ...request });
    const taken = await client.takeUntil((frame) => ['ack', 'error', 'pong'].includes(frame.type), 'an answer');
    const frame = taken.at(-1)!;
    if (frame.type === 'ack') return frame.refused[0]?.code ?? 'ack';
    return frame.type === 'error' ? frame.code : frame.type;
  }

  async publish(count: number, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const items = Array.from({ length: count }, () => ({ type: 'trade', symbol: 'A', price: '1', size: '1' }));
    const { code, body } = await publish(this.gateway, items, headers);
    const results = body.results as readonly { readonly error?: { readonly code: string } }[] | undefined;
    return code ?? results?.map(({ error }) => error?.code ?? 'ok');
  }

  async admin(headers: Readonly<Record<string, string>> = {}): Promise<number> {
    return (await fetch(`${this.gateway.adminUrl}/v1/admin/stats`, { headers })).status;
  }
}

interface Check {
  readonly name: SettingName;
  readonly before: Partial<Settings>;
  readonly after: Partial<Settings>;
  /** Does what shows the setting as it was, has it changed, and does it again. */
  run(scene: Scene, change: () => void): Promise<void>;
}

function check(
  name: SettingName,
  before: number | string,
  after: number | string,
  run: Check['run'],
  others: Partial<Settings> = {},
): Check {
  return { name, before: { ...others, [name]: before }, after: { [name]: after }, run };
}

const book = (...symbols: string[]): object => ({ op: 'subscribe', channel: 'book', symbols });
const FROM = { 'x-forwarded-for': '192.0.2.1' };

const CHECKS: readonly Check[] = [
  check('adminToken', '', 'x'.repeat(16), async (scene, change) => {
    expect(await scene.admin()).toBe(200);
    change();
    expect([await scene.admin(), await scene.admin({ authorization: `Bearer ${'x'.repeat(16)}` })]).toEqual([401, 200]);
  }),
  check('origins', 'https://a.example', 'https://b.example', async (scene, change) => {
    expect(await scene.entry({ origin: 'https://a.example' })).toBe('welcome');
    change();
    expect(await scene.entry({ origin: 'https://a.example' })).toBe('bad-origin');
    expect(await scene.entry({ origin: 'https://b.example' })).toBe('welcome');
  }),
  check('logLevel', 'info', 'warn', async (scene, change) => {
    change();
    // The line that tells of it is still there.
    expect(scene.said('settings.reloaded')).toHaveLength(1);
    scene.gateway.log.tell('bus.up', { version: '7' });
    scene.gateway.log.tell('bus.down', {});
    expect([scene.said('bus.up').length, scene.said('bus.down').length]).toEqual([0, 1]);
  }),
  check('logLinesPerSecMax', 0, 1, async (scene, change) => {
    const tell = (event: 'bus.down' | 'settings.same-secret'): number => {
      for (let i = 0; i < 3; i++) scene.gateway.log.tell(event, {});
      return scene.said(event).length;
    };
    expect(tell('bus.down')).toBe(3);
    change();
    expect(tell('settings.same-secret')).toBe(1);
  }),
  check('metricsTopTopics', 0, 1, async (scene, change) => {
    const metrics = new Metrics(() => scene.gateway.figures);
    const client = await TestClient.connect(scene.gateway);
    await scene.answer(client, book('A'));
    expect(await metrics.text()).not.toMatch(/symbol="A"/);
    change();
    expect(await metrics.text()).toMatch(/symbol="A"/);
  }),
  check('drainMs', 3_600_000, 0, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    change();
    await scene.gateway.drain();
    expect(await client.next('goodbye')).toMatchObject({ closeMs: 0 });
  }),
  check('drainNoticeMs', 600_000, 0, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    change();
    void scene.gateway.drain();
    expect(await client.next('goodbye')).toMatchObject({ reason: 'drain' });
  }),
  check('symbolsPerRequestMax', 1, 2, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    expect(await scene.answer(client, book('A', 'B'))).toBe('too-many-symbols');
    change();
    expect(await scene.answer(client, book('A', 'B'))).toBe('ack');
    // Who comes from now on is told.
    expect(await scene.open().next('welcome')).toMatchObject({ limits: { symbolsPerRequest: 2 } });
  }),
  check('subscriptionsMax', 1, 2, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    expect(await scene.answer(client, book('A', 'B'))).toBe('too-many-subscriptions');
    expect(await scene.answer(client, { ...book('*'), channel: 'quote' })).toBe('too-many-subscriptions');
    change();
    const other = await TestClient.connect(scene.gateway);
    expect([await scene.answer(client, book('B')), await scene.answer(other, book('*'))]).toEqual(['ack', 'ack']);
  }),
  check('requestsPerSecMax', 1, 1_000_000, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    const pings = Array.from({ length: 11 }, (_, id) => ({ op: 'ping', id }));
    client.send(...pings);
    expect(await client.next('error')).toMatchObject({ code: 'too-many-requests' });
    change();
    expect(await scene.answer(client, { op: 'ping' })).toBe('pong');
  }),
  check('connectionsMax', 1, 2, async (scene, change) => {
    expect([await scene.entry(), await scene.entry()]).toEqual(['welcome', 'too-many-connections']);
    change();
    expect(await scene.entry()).toBe('welcome');
  }),
  check(
    'connectionsPerAddressMax',
    1,
    2,
    async (scene, change) => {
      expect([await scene.entry(FROM), await scene.entry(FROM)]).toEqual(['welcome', 'too-many-from-address']);
      change();
      expect(await scene.entry(FROM)).toBe('welcome');
    },
    { trustedProxies: '127.0.0.1' },
  ),
  check(
    'connectionsPerPrincipalMax',
    1,
    2,
    async (scene, change) => {
      expect([await scene.entry(BEARER), await scene.entry(BEARER)]).toEqual(['welcome', 'too-many-of-principal']);
      change();
      expect(await scene.entry(BEARER)).toBe('welcome');
    },
    { publishToken: TOKEN },
  ),
  check('connectsPerSecMax', 1, 1_000, async (scene, change) => {
    expect([await scene.entry(), await scene.entry()]).toEqual(['welcome', 'busy']);
    change();
    expect(await scene.entry()).toBe('welcome');
  }),
  check(
    'authMs',
    60_000,
    100,
    async (scene, change) => {
      change();
      // It says nothing, and is not let wait a minute.
      expect(await scene.entry()).toBe('unauthenticated');
    },
    { anonymous: 'off', publishToken: TOKEN },
  ),
  check(
    'ageMsMax',
    3_600_000,
    1_000,
    async (scene, change) => {
      const url = scene.gateway.streamUrl;
      const socket = new WebSocket(url, SUBPROTOCOL_JSON, { autoPong: false });
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await new Promise((resolve) => socket.once('message', resolve));
      change();
      expect(await closed).toBe(CloseCode.tooSlow);
    },
    { heartbeatMs: 1_000 },
  ),
  check('connectionBytesPerSecMax', 0, 1, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    await scene.answer(client, { ...book('A'), channel: 'trade' });
    await scene.publish(1);
    await client.next('trade');
    change();
    const [connection] = scene.gateway.connections;
    // One more than it may have, and one that finds it in debt.
    await scene.publish(1);
    await client.next('trade');
    await scene.publish(1);
    await client.settled();
    expect(connection!.block).toBe('budget');
    scene.change({ connectionBytesPerSecMax: 0 });
    expect(connection!.block).toBeNull();
  }),
  check('stallMsMax', 0, 1_000, async (scene, change) => {
    const client = await TestClient.connect(scene.gateway);
    expect(await scene.answer(client, { op: 'demo', stallMs: 1 })).toBe('no-demo');
    change();
    expect(await scene.answer(client, { op: 'demo', stallMs: 1 })).toBe('ack');
  }),
  check('publishToken', '', TOKEN, async (scene, change) => {
    expect(await scene.publish(1)).toEqual(['ok']);
    change();
    expect(await scene.publish(1)).toBe('unauthorized');
    expect(await scene.publish(1, BEARER)).toEqual(['ok']);
  }),
  check('publishItemsMax', 1, 2, async (scene, change) => {
    expect(await scene.publish(2)).toBe('too-large');
    change();
    expect(await scene.publish(2)).toEqual(['ok', 'ok']);
  }),
  check('publishPerSecMax', 1, 0, async (scene, change) => {
    expect(await scene.publish(2)).toEqual(['ok', 'publish-rate']);
    change();
    expect(await scene.publish(2)).toEqual(['ok', 'ok']);
  }),
  check('instrumentsMax', 2, 3, async (scene, change) => {
    expect(await putInstrument(scene.gateway, 'C', PLAIN)).toMatchObject({ code: 'bad-instrument' });
    change();
    expect((await putInstrument(scene.gateway, 'C', PLAIN)).status).toBeLessThan(300);
  }),
  ...(['staleAfterMs', 'sourceDownAfterMs'] as const).map((name) =>
    check(
      name,
      86_400_000,
      1_000,
      async (scene, change) => {
        const client = await TestClient.connect(scene.gateway);
        await scene.publish(1);
        await scene.answer(client, { ...book('A'), channel: 'trade' });
        change();
        expect((await client.next('health')).status).toBe(name === 'staleAfterMs' ? 'stale' : 'source-down');
      },
      { staleAfterMs: 86_400_000, sourceDownAfterMs: 86_400_000 },
    ),
  ),
  check('resumeLifeMs', 86_400_000, 1_000, async (scene, change) => {
    const client = scene.open();
    const { token, lifeMs } = await client.next('token');
    expect(lifeMs).toBe(86_400_000);
    await scene.answer(client, book('A'));
    change();
    client.end();
    await client.closed;
    const other = scene.open();
    expect((await other.next('token')).lifeMs).toBe(1_000);
    // Nothing tells of the end of it.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await scene.answer(other, { op: 'resume', token })).toBe('expired-token');
  }),
  check('resumeRenewMs', 3_600_000, 1_000, async (scene, change) => {
    change();
    const client = scene.open();
    const { token } = await client.next('token');
    await scene.answer(client, book('A'));
    expect((await client.next('token')).token).not.toBe(token);
  }),
];

describe.concurrent('a running gateway obeys', () => {
  test.each(CHECKS)('$name as it is after a change', async ({ before, after, run }) => {
    const scene = new Scene(before);
    await run(scene, () => expect(scene.change(after)).toEqual([]));
  });
});

test('what is marked live is all that is looked at here', () => {
  const live = Object.entries<Setting>(SETTINGS).filter(([, setting]) => setting.live === true);
  expect(CHECKS.map(({ name }) => name).sort()).toEqual(live.map(([name]) => name).sort());
});

describe('settings that are read again', () => {
  test('are told with old and new value, secrets without', () => {
    const scene = new Scene({ connectionsMax: 5, publishToken: TOKEN });
    expect(scene.change({ connectionsMax: 6, publishToken: `${TOKEN}-2` })).toEqual([]);
    expect(scene.said('settings.reloaded').map(({ changed }) => changed)).toEqual([
      ['connectionsMax: 5, now 6', 'publishToken: another one'],
    ]);
    expect(JSON.stringify(scene.lines)).not.toContain(TOKEN);
  });
  test('are named in a warning where they take a restart, and not taken over', () => {
    const scene = new Scene({});
    expect(scene.change({ heartbeatMs: 1_000, redisPrefix: 'other', connectionsMax: 7 })).toEqual([]);
    expect(scene.said('settings.restart')).toMatchObject([{ level: 40, restart: ['heartbeatMs', 'redisPrefix'] }]);
    expect(scene.said('settings.reloaded')).toMatchObject([{ changed: ['connectionsMax: 100000, now 7'] }]);
  });
  test('change nothing where one of them can not work, and all faults are told', async () => {
    const scene = new Scene({ connectionsMax: 1 });
    const faults = scene.change({ connectionsMax: 2, ageMsMax: 1, drainMs: -1 });
    expect(faults).toHaveLength(2);
    expect(scene.said('settings.kept').map((line) => line.faults)).toEqual([faults]);
    expect(scene.said('settings.reloaded')).toEqual([]);
    expect([await scene.entry(), await scene.entry()]).toEqual(['welcome', 'too-many-connections']);
  });
  test('change nothing where what is live would contradict what is not', async () => {
    const scene = new Scene({ symbolsPerRequestMax: 1 });
    const faults = scene.change({ symbolsPerRequestMax: 2_000, controlBytesMax: 67_108_864 });
    expect(faults).toEqual([expect.stringMatching(/^it takes a restart.*controlBytesMax .*is 1048576, less than/)]);
    const client = await TestClient.connect(scene.gateway);
    expect(await scene.answer(client, book('A', 'B'))).toBe('too-many-symbols');
  });
  test('by a mistake of ours end nothing', () => {
    const scene = new Scene({});
    const faults = scene.gateway.reload(() => {
      throw new TypeError('a mistake');
    });
    expect(faults).toHaveLength(1);
    expect(scene.said('internal.error')).toHaveLength(1);
  });
});

describe('a publish token that becomes another', () => {
  test('ends who came with the one before, and lets in who has the new one', async () => {
    const scene = new Scene({ publishToken: TOKEN });
    const subscriber = scene.open(BEARER);
    await subscriber.next('welcome');
    const publisher = PublisherClient.open(scene.gateway, 'json', BEARER);
    await publisher.next('welcome');
    scene.change({ publishToken: 'another-token-of-some' });
    expect((await subscriber.closed).reason).toBe('revoked');
    expect((await publisher.closed).reason).toBe('revoked');
    expect(await scene.entry(BEARER)).toBe('bad-credential');
    expect(await scene.entry({ authorization: 'Bearer another-token-of-some' })).toBe('welcome');
  });
  test('leaves alone who came without', async () => {
    const scene = new Scene({ publishToken: TOKEN });
    const client = await TestClient.connect(scene.gateway);
    scene.change({ publishToken: '' });
    expect(await scene.answer(client, { op: 'ping' })).toBe('pong');
  });
});
