// Owns what the simulation publishes into: the bus of each node, the way of updates there, and what instruments each process knows.
// There is one in this process, below, and one on a simulated Redis (redis-market.ts). Invariant: whatever was sequenced is in the
// oracle when the first listener hears of it, and every answer was checked.

import type { Bus } from '../../src/bus/bus.ts';
import { MemoryBus } from '../../src/bus/memory.ts';
import { type Instrument, Instruments } from '../../src/market/instrument.ts';
import type { SessionStore, SessionStoreOptions } from '../../src/ports/session-store.ts';
import { SessionMemory } from '../../src/sessions/session-store.ts';
import { noRedisBranches, type SimulatedEvent } from './branches.ts';
import type { Kernel, Random } from './kernel.ts';
import type { Life } from './life.ts';
import type { Oracle } from './oracle.ts';
import type { Planned, Venue } from './venue.ts';

/** What a node is made with. */
export interface Place {
  readonly bus: Bus;
  readonly instruments: Instruments;
  /** Its topics read the sequencer's own books; else they follow the bus as from another process. */
  readonly sharesBooks: boolean;
  /** Where a process of that place keeps its sessions while it lives. */
  openStore(life: Life, options: SessionStoreOptions): SessionStore;
}

export interface Market {
  /** Of each node. */
  readonly places: readonly Place[];
  /** What happened in it that happens on Redis only. */
  readonly redisBranches: readonly [string, number][];
  /** What becomes of sessions that all nodes share; null: each node has its own. */
  readonly sharing: Sharing | null;
  /** Every node can publish and hear. */
  open(): Promise<void>;
  publish(planned: readonly Planned[]): Promise<void>;
  /** Lists an instrument, or changes a known one; `renews` where the old numbers mean something else. */
  put(instrument: Instrument, renews: boolean): void;
  delist(symbol: string): void;
  /** Whether the source of a book should send all of it. */
  wantsSnapshot(symbol: string): boolean;
  /** Before each step: something may go wrong. */
  disturb(venues: readonly Venue[]): void;
  /** Nothing goes wrong from now on. */
  mend(venues: readonly Venue[]): Promise<void>;
  /** After everybody has come to hold what there is. */
  checkSettled(): Promise<void>;
  /** After everybody has left: nothing of it may go on. */
  close(): Promise<void>;
}

export interface Sharing {
  /** Something may go wrong with what is written. */
  readonly isTroubled: boolean;
  /** How often something that was written was lost. */
  readonly losses: number;
  /** A call's way there or back takes no longer, where nothing goes wrong. */
  readonly delayMsMax: number;
}

export interface MarketOptions {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly oracle: Oracle;
  readonly events: Record<SimulatedEvent, number>;
  readonly nodes: number;
  readonly newEpoch: () => number;
  readonly logEntriesMax: number;
  readonly tombstonesMax: number;
}

/** All nodes in one process, on one bus: nothing but what it sees wrong goes wrong. */
export class MemoryMarket implements Market {
  readonly places: readonly Place[];
  readonly redisBranches = noRedisBranches();
  readonly sharing = null;
  private readonly instruments = new Instruments();
  private readonly bus: MemoryBus;

  constructor(private readonly options: MarketOptions) {
    const { kernel, newEpoch, logEntriesMax, tombstonesMax, nodes } = options;
    const { instruments } = this;
    this.bus = new MemoryBus({ clock: kernel, instruments, newEpoch, logEntriesMax, tombstonesMax });
    const openStore = (_life: Life, own: SessionStoreOptions): SessionStore =>
      new SessionMemory({ ...own, clock: kernel });
    this.places = Array.from({ length: nodes }, (_, i) => ({
      ...{ bus: this.bus, instruments, openStore },
      sharesBooks: i % 2 === 0,
    }));
  }

  async open(): Promise<void> {}

  async publish(planned: readonly Planned[]): Promise<void> {
    const { kernel, oracle, events } = this.options;
    const publishUs = kernel.nowUs();
    const answers = await this.bus.publish(planned.map(({ publication }) => publication));
    for (const [i, answer] of answers.entries()) {
      const { publication, refusal } = planned[i]!;
      const { symbol, update, exchangeUs } = publication;
      const code = 'refused' in answer ? answer.refused.code : null;
      if (code !== refusal) throw new Error(`${symbol}: ${JSON.stringify(update)} gave ${code}, not ${refusal}`);
      events[code === null ? 'updates published' : 'publications refused'] += 1;
      if (!('refused' in answer)) oracle.record(symbol, update, answer, { exchangeUs, publishUs });
    }
  }

  put(instrument: Instrument, renews: boolean): void {
    if (renews) this.options.oracle.renew(instrument.symbol);
    this.instruments.put(instrument);
  }

  delist(symbol: string): void {
    this.options.oracle.renew(symbol);
    this.instruments.delist(symbol);
  }

  wantsSnapshot(): boolean {
    return false;
  }

  disturb(): void {}

  async mend(): Promise<void> {}

  async checkSettled(): Promise<void> {}

  async close(): Promise<void> {}
}
