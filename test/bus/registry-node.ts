// Owns one node for the registry's tests: instruments and sets of its own, and its own connections to a real Redis. Invariant: what
// a test waits for is asked again after each event of the node, never after a time.

import { RedisLink } from '../../src/bus/redis-link.ts';
import { Registry } from '../../src/bus/registry.ts';
import {
  defineInstrument,
  type Instrument,
  type InstrumentDefinition,
  Instruments,
} from '../../src/market/instrument.ts';
import { SymbolSets } from '../../src/market/sets.ts';
import { systemTimers } from '../../src/ports/clock.ts';
import type { RedisIdentity, RedisReply } from '../../src/ports/redis.ts';

export interface NodeOptions {
  readonly url: string;
  readonly prefix: string;
  readonly tombstonesMax?: number;
  readonly instrumentsMax?: number;
  readonly readyMaxMs?: number;
  /** Listed before there is a registry. */
  readonly listed?: readonly Instrument[];
}

export class RegistryNode {
  readonly instruments = new Instruments();
  readonly sets = new SymbolSets();
  readonly registry: Registry;
  readonly errors: string[] = [];
  /** What became of instruments here, in words. */
  readonly events: string[] = [];
  /** Does not hear what is published; it is kept in `unheard`. */
  deaf = false;
  readonly unheard: { readonly channel: string; readonly bytes: Uint8Array }[] = [];
  /** Names of sets that were put or deleted. */
  readonly setEvents: string[] = [];
  /** Until it resolves, writes are not sent, or their answers do not arrive. */
  beforeWrite: Promise<void> | null = null;
  afterWrite: Promise<void> | null = null;
  isUp = false;
  subscribed = new Set<string>();
  /** Messages that came, also while deaf. */
  messages = 0;
  private readonly link: RedisLink;
  private readonly wakes = new Set<() => void>();

  constructor({ url, prefix, listed = [], instrumentsMax = 20_000, readyMaxMs = 10_000, tombstonesMax }: NodeOptions) {
    for (const instrument of listed) this.instruments.put(instrument);
    this.link = new RedisLink({ url, onTrouble: () => {} });
    this.registry = new Registry({
      port: {
        call: (...call) => this.call(...call),
        subscribe: (channels) => this.link.subscribe(channels),
      },
      prefix,
      instruments: this.instruments,
      sets: this.sets,
      instrumentsMax,
      ...(tombstonesMax === undefined ? {} : { tombstonesMax }),
      timers: systemTimers,
      readyMaxMs,
      onError: (error) => this.after(() => this.errors.push(error.message)),
    });
    this.instruments.watch(({ action, instrument }) =>
      this.after(() => this.events.push(`${action} ${instrument.symbol}`)),
    );
    this.sets.watch((name) => this.after(() => this.setEvents.push(name)));
    this.link.open({
      up: (identity) => this.after(() => this.cameUp(identity)),
      down: () => this.after(() => this.wentDown()),
      channelsUp: () => this.after(() => this.registry.channelsUp()),
      channelsDown: () => this.after(() => this.subscribed.clear()),
      subscribed: (channel) => this.after(() => this.heard(channel)),
      message: (channel, bytes) => this.after(() => this.took(channel, bytes)),
    });
  }

  /** Resolves when the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((wake) => {
        this.wakes.add(wake);
      });
    }
  }

  /** Connected, subscribed, and with nothing left to do. */
  async live(): Promise<this> {
    await this.until(() => this.isUp && this.subscribed.size === this.registry.channels.length);
    await this.registry.idle();
    return this;
  }

  /** Looks for what it missed, and writes what waits. */
  async checked(): Promise<void> {
    await this.live();
    this.registry.check();
    await this.registry.idle();
  }

  put(symbol: string, definition: Partial<InstrumentDefinition> = {}): void {
    this.instruments.put(instrument(symbol, definition));
  }

  get symbols(): string[] {
    return this.instruments.list().map(({ symbol }) => symbol);
  }

  scaleOf(symbol: string): number | undefined {
    return this.instruments.get(symbol)?.priceScale;
  }

  /** Hears late what it did not hear. */
  hearAll(): void {
    this.deaf = false;
    for (const { channel, bytes } of this.unheard.splice(0)) this.registry.message(channel, bytes);
  }

  close(): void {
    this.registry.close();
    this.link.close();
  }

  private async call(...[script, keys, args]: Parameters<RedisLink['call']>): Promise<RedisReply> {
    const writes = args[0] === 'write';
    if (writes && this.beforeWrite !== null) await this.after(() => this.beforeWrite);
    const reply = await this.link.call(script, keys, args);
    if (writes && this.afterWrite !== null) await this.after(() => this.afterWrite);
    return reply;
  }

  private cameUp(identity: RedisIdentity): void {
    this.isUp = true;
    this.registry.up(identity);
  }

  private wentDown(): void {
    this.isUp = false;
    this.registry.down();
  }

  private heard(channel: string): void {
    this.subscribed.add(channel);
    this.registry.subscribed(channel);
  }

  private took(channel: string, bytes: Uint8Array): void {
    this.messages += 1;
    if (this.deaf) this.unheard.push({ channel, bytes: bytes.slice() });
    else this.registry.message(channel, bytes);
  }

  private after<T>(event: () => T): T {
    const result = event();
    for (const wake of this.wakes) wake();
    this.wakes.clear();
    return result;
  }
}

export function instrument(symbol: string, definition: Partial<InstrumentDefinition> = {}): Instrument {
  const defined = defineInstrument({ priceScale: 2, sizeScale: 8, ...definition, symbol });
  if (typeof defined === 'string') throw new Error(defined);
  return defined;
}
