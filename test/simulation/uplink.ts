// Owns a simulated node's place on the bus: what it hears is held to the bus's promise, what it loads takes a while, and fails at times.
// The simulated nodes make one each. Invariant: what a listener hears of an epoch is in order, each once, unless a loss is named; once it
// is closed nothing passes.

import type {
  Bus,
  BusListener,
  Entry,
  Leased,
  LeaseRequest,
  Publication,
  Published,
  TopicState,
} from '../../src/bus/bus.ts';
import type { Book } from '../../src/market/book.ts';
import type { UpdateChannel } from '../../src/market/update.ts';
import type { Kernel, Random } from './kernel.ts';
import type { History, Oracle } from './oracle.ts';

export class LoadFailure extends Error {}

/** Holds what a listener is told to the bus's promise: every entry of an epoch in order, each once, unless a loss is named. */
class Hearing implements BusListener {
  private last: Entry | null = null;
  /** The newest number after which the next must come; -1: any may. */
  private seq = -1;
  private known = 0;
  private history: History | undefined;

  constructor(
    private readonly name: string,
    private readonly listener: BusListener,
    private readonly oracle: Oracle,
    private readonly onMistake: (error: Error) => void,
  ) {}

  entry(entry: Entry): void {
    const { epoch, seq } = entry;
    const { name, oracle, last, history } = this;
    const told = `${name}: listeners heard ${epoch}@${seq}`;
    if (this.known !== 0 && this.known !== epoch) this.onMistake(new Error(`${told} in ${this.known}`));
    if (this.seq >= 0 && seq !== this.seq + 1) this.onMistake(new Error(`${told} after ${this.seq}`));
    // The two ends of an epoch that has split are never heard one after the other.
    this.history = oracle.history(epoch, entry);
    if (this.seq >= 0 && last !== null && history !== undefined && this.history?.holds(history, last.seq) === false) {
      this.onMistake(new Error(`${told} after another ${last.seq} than went before it`));
    }
    [this.known, this.seq, this.last] = [epoch, seq, entry];
    this.listener.entry(entry);
  }

  epoch(epoch: number): void {
    [this.known, this.seq, this.last] = [epoch, 0, null];
    this.listener.epoch(epoch);
  }

  lost(): void {
    this.seq = -1;
    this.listener.lost();
  }

  doubt(doubted: boolean): void {
    this.listener.doubt(doubted);
  }
}

/** A node's way to the bus: what it loads takes a while, and fails at times. */
export class Uplink implements Bus {
  reliable = false;
  private readonly leaving = new Set<() => void>();
  private closed = false;

  constructor(
    private readonly bus: Bus,
    private readonly kernel: Kernel,
    private readonly random: Random,
    private readonly oracle: Oracle,
    private readonly onMistake: (error: Error) => void,
    private readonly sharesBooks: boolean,
  ) {}

  ownBook(symbol: string): Book | undefined {
    return this.sharesBooks ? this.bus.ownBook?.(symbol) : undefined;
  }

  get listeners(): number {
    return this.leaving.size;
  }

  /** The process is gone. */
  close(): void {
    this.closed = true;
    for (const leave of this.leaving) leave();
    this.leaving.clear();
  }

  publish(publications: readonly Publication[]): Published[] | Promise<Published[]> {
    return this.bus.publish(publications);
  }

  subscribe(channel: UpdateChannel, symbol: string, listener: BusListener): () => void {
    if (this.closed) return () => {};
    const hearing = new Hearing(`${channel}:${symbol}`, listener, this.oracle, this.onMistake);
    const unsubscribe = this.bus.subscribe(channel, symbol, hearing);
    this.leaving.add(unsubscribe);
    return () => {
      if (this.leaving.delete(unsubscribe)) unsubscribe();
    };
  }

  log(channel: UpdateChannel, symbol: string, fromSeq: number): Promise<Entry[]> {
    return this.bus.log(channel, symbol, fromSeq);
  }

  lease(channel: UpdateChannel, symbol: string, request: LeaseRequest): Promise<Leased> {
    return this.bus.lease(channel, symbol, request);
  }

  release(channel: UpdateChannel, symbol: string, token: number): Promise<boolean> {
    return this.bus.release(channel, symbol, token);
  }

  doubt(symbol: string, doubted: boolean): void {
    this.bus.doubt(symbol, doubted);
  }

  load(channel: UpdateChannel, symbol: string): Promise<TopicState> {
    const { kernel, random } = this;
    const early = random.chance(0.5) ? this.bus.load(channel, symbol) : null;
    // Nobody may be waiting for it yet when it fails.
    early?.catch(() => {});
    const fails = !this.reliable && random.chance(0.03);
    const delayMs = random.chance(0.5) ? 0 : random.between(1, 40);
    return new Promise((resolve, reject) => {
      kernel.after(delayMs, () => {
        if (this.closed) return;
        if (fails) reject(new LoadFailure('the bus does not answer'));
        else resolve(early ?? this.bus.load(channel, symbol));
        kernel.promiseSettled();
      });
    });
  }
}
