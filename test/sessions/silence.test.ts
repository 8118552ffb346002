// Holds the gateway to the time that its welcome states as `silentMs`: whenever a peer dies, it is closed within that, and none is
// closed for a time in which the gateway itself stood still. On the virtual clock, over every phase between a peer's death and the
// looks at it.

import { describe, expect, test } from 'vitest';
import { CloseCode } from '../../src/protocol/errors.ts';
import { beginPulse } from '../../src/sessions/pulse.ts';
import { silentMsOf } from '../../src/sessions/session.ts';
import { type FakeClient, type LIMITS, Station } from '../topics/station.ts';

const STEP_MS = 50;
const TICK_MS = 1_000;

async function start(limits: Partial<typeof LIMITS>): Promise<{ station: Station; client: FakeClient }> {
  const station = new Station({ ageMsMax: 3_600_000, ...limits });
  station.list('X');
  await station.publish('X', { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 5, 0] });
  beginPulse({ clock: station.kernel, timers: station.kernel, connections: station.connections });
  const client = station.connect();
  client.stream.subscribe('book', ['X']);
  await station.settle();
  return { station, client };
}

/** So many updates a second, for so long. */
async function trade(station: Station, perSec: number, forMs: number): Promise<void> {
  for (let passedMs = 0, i = 0; passedMs < forMs; passedMs += 1_000 / perSec, i++) {
    await station.publish('X', { kind: 'delta', bids: [100, 6 + (i % 2), 0], asks: [] });
    await station.advance(1_000 / perSec);
  }
}

/** How long the gateway took to close a peer that has died. */
async function closedAfterMs(station: Station, client: FakeClient, atMost: number, perSec = 0): Promise<number> {
  const diedMs = station.kernel.nowMs();
  while (client.closedWith === null && station.kernel.nowMs() - diedMs <= 2 * atMost) {
    if (perSec > 0) await trade(station, perSec, 2 * STEP_MS);
    else await station.advance(2 * STEP_MS);
  }
  return station.kernel.nowMs() - diedMs;
}

describe.each([1_000, 1_001, 1_499, 5_001])('with a heartbeat of %d ms a peer that dies', (heartbeatMs) => {
  const statedMs = silentMsOf(heartbeatMs);
  // Ticks are late at times: a second of the promise is theirs.
  const foundMs = statedMs - TICK_MS;

  test.each([
    ['with nothing on the link', 0, 0],
    ['as its data ends', 5, 0],
    ['while data goes on', 5, 10],
  ])('%s is closed as silent within the time that the welcome states', async (_, beforePerSec, afterPerSec) => {
    let worstMs = 0;
    for (let phaseMs = 0; phaseMs <= heartbeatMs + TICK_MS; phaseMs += STEP_MS) {
      const { station, client } = await start({ heartbeatMs });
      if (beforePerSec > 0) await trade(station, beforePerSec, heartbeatMs + phaseMs);
      else await station.advance(heartbeatMs + phaseMs);
      client.answersPings = false;
      worstMs = Math.max(worstMs, await closedAfterMs(station, client, statedMs, afterPerSec));
      expect(client.closedWith).toEqual({ code: CloseCode.silent, reason: 'silent' });
    }
    expect(worstMs).toBeLessThanOrEqual(foundMs);
  });

  test('with its socket full is closed too, though no ping may be under way', async () => {
    for (let phaseMs = 0; phaseMs <= heartbeatMs; phaseMs += 5 * STEP_MS) {
      const { station, client } = await start({ heartbeatMs });
      await station.advance(phaseMs);
      client.answersPings = false;
      client.room = 1;
      await trade(station, 20, STEP_MS);
      expect(client.connection.block).toBe('socket');
      expect(client.connection.window.unansweredPings).toBe(0);
      expect(await closedAfterMs(station, client, statedMs)).toBeLessThanOrEqual(foundMs);
      expect(client.closedWith).toEqual({ code: CloseCode.silent, reason: 'silent' });
    }
  });
});

describe('what the gateway itself stood still for', () => {
  /** A client that owes three pongs for longer than a heartbeat, and was heard of half a heartbeat ago. */
  async function pinged(heartbeatMs: number) {
    const scene = await start({ heartbeatMs });
    const { station, client } = scene;
    client.answersPings = false;
    while (client.connection.window.silentMs(3, station.kernel.nowMs()) < heartbeatMs) {
      client.stream.ping();
      await station.advance(heartbeatMs / 2);
    }
    expect(client.closedWith).toBeNull();
    return scene;
  }

  test.each([
    [1_000, 3_000],
    [1_000, 60_000],
    [5_000, 12_000],
  ])(
    'closes nobody: with a heartbeat of %d ms it sleeps for %d, and reads the pongs afterwards',
    async (heartbeatMs, forMs) => {
      const { station, client } = await pinged(heartbeatMs);
      station.kernel.spend(forMs);
      // Timers first, as in an event loop; the pongs have waited in the kernel.
      await station.advance(0);
      client.pong();
      client.answersPings = true;
      await station.advance(10 * heartbeatMs);
      expect(client.closedWith).toBeNull();
    },
  );

  test('is no excuse for who is dead: it is found in its time after that', async () => {
    const { station, client } = await pinged(5_000);
    station.kernel.spend(12_000);
    await station.advance(0);
    expect(client.closedWith).toBeNull();
    expect(await closedAfterMs(station, client, silentMsOf(5_000))).toBeLessThanOrEqual(silentMsOf(5_000));
    expect(client.closedWith).toEqual({ code: CloseCode.silent, reason: 'silent' });
  });

  test('again and again does not keep the dead', async () => {
    const { station, client } = await start({ heartbeatMs: 1_000 });
    const busy = (): void => {
      station.kernel.spend(400);
      station.kernel.after(100, busy);
    };
    busy();
    await station.advance(5_000);
    client.answersPings = false;
    expect(await closedAfterMs(station, client, silentMsOf(1_000))).toBeLessThanOrEqual(silentMsOf(1_000));
    expect(client.closedWith).toEqual({ code: CloseCode.silent, reason: 'silent' });
  });
});
