// Owns a bus on a real Redis for one test, with instruments of its own. Invariant: it is connected when it is handed out.

import { randomBytes, randomInt } from 'node:crypto';
import { RedisBus, type RedisBusOptions } from '../../src/bus/redis.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { Instruments } from '../../src/market/instrument.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';

export interface StartedBus {
  readonly bus: RedisBus;
  readonly instruments: Instruments;
  readonly errors: unknown[];
  /** Resolves when everything published so far has reached the listeners. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface BusWishes extends Partial<RedisBusOptions> {
  readonly url: string;
  readonly prefix: string;
}

export async function startBus({ url, ...wishes }: BusWishes): Promise<StartedBus> {
  const instruments = wishes.instruments ?? new Instruments();
  const errors: unknown[] = [];
  const link = wishes.port ?? new RedisLink({ url, onTrouble: () => {} });
  const bus = new RedisBus({
    port: link,
    clock: systemClock,
    timers: systemTimers,
    newEpoch: () => randomInt(1, 2 ** 48 - 1),
    logEntriesMax: 16,
    tombstonesMax: 4_096,
    publishRetryMs: 1_000,
    onError: (error) => errors.push(error),
    ...wishes,
    instruments,
  });
  bus.open();
  const marker = `${wishes.prefix}:marker:${randomBytes(6).toString('hex')}`;
  const heard: (() => void)[] = [];
  let [confirm, confirmed] = [() => {}, false];
  bus.invite({
    channels: [marker],
    up: () => {},
    down: () => {},
    pulse: () => {},
    subscribed: () => {
      confirmed = true;
      confirm();
    },
    message: () => heard.shift()?.(),
  });
  await until(() => bus.ready);
  await new Promise<void>((resolve) => {
    confirm = resolve;
    if (confirmed) resolve();
  });
  return {
    bus,
    instruments,
    errors,
    settle: async () => {
      await new Promise<void>((resolve, reject) => {
        heard.push(resolve);
        link.publish(marker, new Uint8Array(0)).catch(reject);
      });
      await until(() => bus.settled);
    },
    close: async () => bus.close(),
  };
}

/** Resolves in the first turn of the event loop in which the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
