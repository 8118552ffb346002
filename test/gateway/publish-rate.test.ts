// Holds publishing to its rate: by principal, over requests and connections together, item by item.

import { afterEach, describe, expect, test } from 'vitest';
import { PublishRate } from '../../src/gateway/publish-rate.ts';
import { FULL_GRANT, type Identity } from '../../src/sessions/grant.ts';
import { VirtualTime } from '../feeds/virtual.ts';
import { documentFile, EVERYTHING, keyFor } from '../sessions/access-scene.ts';
import { ask, publish, startGateway, stopAll } from './harness.ts';
import { delta, SYMBOLS, snapshot, trade } from './items.ts';
import { endPublishers, PublisherClient } from './publisherclient.ts';

function identity(principal: string, publishPerSec = 0): Identity {
  return { principal, via: 'key', grant: { ...FULL_GRANT, publishPerSec }, untilMs: null };
}

function bearer(key: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${key}` };
}

describe('a rate', () => {
  test("is granted a second's worth at once, then so much a second, and no more is saved up", async () => {
    const time = new VirtualTime();
    const rate = new PublishRate(time, { publishPerSecMax: 0 });
    const desk = identity('desk', 100);
    expect([rate.take(desk, 60), rate.take(desk, 60), rate.take(desk, 60)]).toEqual([60, 40, 0]);
    await time.advance(250);
    expect([rate.take(desk, 60), rate.take(desk, 60)]).toEqual([25, 0]);
    await time.advance(3_600_000);
    expect(rate.take(desk, 1_000)).toBe(100);
  });

  test('of one is used up by nobody else', () => {
    const rate = new PublishRate(new VirtualTime(), { publishPerSecMax: 10 });
    expect([rate.take(identity('a'), 20), rate.take(identity('a'), 1), rate.take(identity('b'), 20)]).toEqual([
      10, 0, 10,
    ]);
  });

  test.each([
    [0, 0, 0],
    [5, 0, 5],
    [0, 5, 5],
    [5, 9, 5],
    [9, 5, 5],
  ])("is the smaller of the grant's %i and the gateway's %i; 0 is none", (granted, perSecMax, expected) => {
    const rate = new PublishRate(new VirtualTime(), { publishPerSecMax: perSecMax });
    expect(rate.perSec(identity('a', granted))).toBe(expected);
    expect(rate.take(identity('a', granted), 1_000)).toBe(expected === 0 ? 1_000 : expected);
  });

  test('is kept of so many principals, and those that were not heard of for longest begin anew', () => {
    const rate = new PublishRate(new VirtualTime(), { publishPerSecMax: 1 });
    const principals = Array.from({ length: 10_000 }, (_, index) => identity(`p${index}`));
    for (const each of principals) expect(rate.take(each, 1)).toBe(1);
    // Who is heard of again takes nobody's place, and stays.
    expect([rate.take(principals[5]!, 1), rate.take(principals[0]!, 1)]).toEqual([0, 0]);
    expect(rate.take(identity('one more'), 1)).toBe(1);
    expect([rate.take(principals[0]!, 1), rate.take(principals[1]!, 1)]).toEqual([0, 1]);
  });
});

describe('on a gateway', () => {
  afterEach(() => {
    endPublishers();
    stopAll();
  });

  /** Principals with two keys each that may one item a second, and one without a limit. */
  function limited() {
    const desks = Array.from({ length: 5 }, (_, index) => {
      const principal = `desk-${index}`;
      return [keyFor(`a${index}`, principal, 'feed'), keyFor(`b${index}`, principal, 'feed')] as const;
    });
    const free = keyFor('free', 'free', 'free');
    const accessFile = documentFile({
      roles: {
        feed: { subscribe: EVERYTHING, publish: EVERYTHING, publishPerSec: 1 },
        free: { subscribe: EVERYTHING, publish: EVERYTHING },
      },
      keys: [...desks.flat(), free].map(({ entry }) => entry),
    });
    return { gateway: startGateway({ accessFile }, SYMBOLS), desks, desk: desks[0]![0], free };
  }

  test('items over it are refused with its name and value, those before it are published, others go on', async () => {
    const { gateway, desk, free } = limited();
    const over = { code: 'publish-rate', message: expect.stringContaining('at most 1 a second') };
    const { status, body } = await publish(gateway, [trade(), trade()], bearer(desk.key));
    expect([status, body.results]).toEqual([
      200,
      [{ epoch: expect.any(Number), seq: 1 }, { error: expect.objectContaining(over) }],
    ]);
    expect((await publish(gateway, [trade(), trade()], bearer(free.key))).body.results).toMatchObject([
      { seq: 2 },
      { seq: 3 },
    ]);
    expect(gateway.refusals).toEqual({ 'publish-rate': 1 });
  });

  test('a single item over it is answered with 429', async () => {
    const { gateway, desk } = limited();
    // Two of them come within a second, however slow the machine is at times.
    for (let sent = 0; sent < 100; sent++) {
      const answer = await publish(gateway, trade(), bearer(desk.key));
      if (answer.status === 200) continue;
      expect([answer.status, answer.code]).toEqual([429, 'publish-rate']);
      return;
    }
    throw new Error('all were taken');
  });

  test('requests and connections of a principal share it, whichever key they bring', async () => {
    const { gateway, desks } = limited();
    const posted: (string | undefined)[] = [];
    for (const [one, other] of desks) {
      const client = PublisherClient.open(gateway, 'json', bearer(one.key));
      await client.next('welcome');
      client.send({ op: 'publish', id: 1, items: [trade(), trade(), trade()] });
      const { results, credits } = await client.next('ack');
      const codes = (results as { error?: { code: string } }[]).map(({ error }) => error?.code);
      expect([codes, credits]).toEqual([[undefined, 'publish-rate', 'publish-rate'], 3]);
      posted.push((await publish(gateway, trade(), bearer(other.key))).code);
    }
    // All of them, but where the machine stood still for a second in between.
    expect(posted).toContain('publish-rate');
  });

  test("the gateway's own limit holds for programs on this machine", async () => {
    const gateway = startGateway({ publishPerSecMax: 2 }, SYMBOLS);
    const { body } = await publish(gateway, [snapshot, delta({ bids: [['9.95', '7']] }), trade()]);
    expect(body.results).toMatchObject([{ seq: 1 }, { seq: 2 }, { error: { code: 'publish-rate' } }]);
    expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(0);
  });
});
