// Owns the taking of what services publish plainly on Redis, `PUBLISH <prefix>:in:<symbol>`: while this gateway is the taker it
// publishes the items on the bus. Made and stopped with the bus. Invariant: the messages of a symbol go in one after the other, so
// that no delta follows one that was lost; what is lost is announced as `resync` until the symbol's next snapshot.

import type { Publication, Published } from '../bus/bus.ts';
import type { RedisBus, RedisGuest } from '../bus/redis.ts';
import { RedisTaker } from '../bus/redis-taker.ts';
import { checkUpdate } from '../market/guard.ts';
import { type Instruments, isSymbol } from '../market/instrument.ts';
import type { Clock } from '../ports/clock.ts';
import type { RedisIdentity, RedisPort } from '../ports/redis.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { type MessageLimits, type PlainMessage, readPlainMessage } from './intake-message.ts';
import { SymbolIntake } from './intake-symbol.ts';
import { readPublication } from './publication.ts';

export interface IntakeOptions {
  readonly bus: Pick<RedisBus, 'publish' | 'sayDoubt'>;
  readonly port: Pick<RedisPort, 'call' | 'publish' | 'subscribePattern' | 'unsubscribePattern'>;
  readonly clock: Clock;
  readonly instruments: Instruments;
  readonly prefix: string;
  /** Resolves once the instruments are known that other gateways list: until then nothing is taken. */
  readonly ready: Promise<void>;
  readonly limits: MessageLimits & { readonly instrumentsMax: number };
  /** Told of every refusal, for counters. */
  readonly onRefusal: (code: string) => void;
  /** Told of a refusal of each code now and then, for the log. */
  readonly onRefused: (symbol: string, refused: Fault) => void;
  readonly onError: (error: unknown) => void;
}

export interface IntakeCounters {
  /** Times that this gateway began to be the taker. */
  begun: number;
  messages: number;
  /** Items that went in. */
  items: number;
  refused: number;
  /** Times that messages of a source were found to be missing, or that it had begun anew. */
  holes: number;
}

/** Messages that wait behind others of their symbol, all symbols together; each counts for some more than its bytes. */
const WAITING_BYTES_MAX = 33_554_432;
const MESSAGE_BYTES = 512;
/** Refusals that are told on their channels between two pulses; the others are counted. */
const TOLD_PER_PULSE = 500;
/** A symbol of which nothing has come plainly for so long is published in another way now, or not at all. */
const FORGOTTEN_AFTER_MS = 3_600_000;
const PULSES_PER_LOOK = 120;
/** Of each code. */
const LOG_EVERY_MS = 10_000;

interface Refusal {
  /** Its place among the items. */
  readonly item: number;
  readonly refused: Fault;
}

interface Batch {
  readonly publications: Publication[];
  readonly origins: { readonly message: PlainMessage; readonly item: number }[];
  readonly refusals: Map<PlainMessage, Refusal[]>;
}

export class Intake implements RedisGuest {
  readonly channels: readonly string[];
  readonly beginning: string;
  readonly counters: IntakeCounters = { begun: 0, messages: 0, items: 0, refused: 0, holes: 0 };
  private readonly taker: RedisTaker;
  private readonly symbols = new Map<string, SymbolIntake>();
  private readonly unwatch: () => void;
  private readonly loggedMs = new Map<string, number>();
  private waitingBytes = 0;
  private told = 0;
  private pulses = 0;

  constructor(private readonly options: IntakeOptions) {
    const { port, clock, instruments, prefix, limits, onError } = options;
    this.taker = new RedisTaker({
      port,
      clock,
      prefix,
      get symbolsMax() {
        return limits.instrumentsMax;
      },
      onBegin: (sources) => this.begin(sources),
      onEnd: () => this.end(),
      onError,
    });
    this.channels = [this.taker.key];
    this.beginning = `${prefix}:in:`;
    this.unwatch = instruments.watch(({ action, instrument }) => {
      if (action === 'delisted') this.forget(instrument.symbol);
    });
  }

  /** For those who look on. */
  get state(): { readonly taking: boolean } & IntakeCounters {
    return { taking: this.taking, ...this.counters };
  }

  /** Whether it is this gateway that takes. */
  private get taking(): boolean {
    return this.taker.holds;
  }

  up(identity: RedisIdentity): void {
    void this.options.ready.then(() => this.taker.up(identity));
    for (const [name, { saidDoubt }] of this.symbols) {
      if (saidDoubt !== null) this.options.bus.sayDoubt(name, saidDoubt);
    }
  }

  down(): void {
    this.taker.down();
  }

  /** The connection is a new one: what was published before it stood was missed. */
  subscribed(channel: string): void {
    if (channel !== this.taker.key || !this.taking) return;
    for (const [name, symbol] of this.symbols) this.doubt(name, symbol);
    this.options.port.subscribePattern(`${this.beginning}*`);
  }

  message(channel: string, bytes: Uint8Array): void {
    if (channel === this.taker.key) this.taker.freed();
    else if (this.taking) this.receive(channel.slice(this.beginning.length), bytes);
  }

  pulse(): void {
    this.taker.pulse();
    this.told = 0;
    if (++this.pulses % PULSES_PER_LOOK !== 0) return;
    const nowMs = this.options.clock.nowMs();
    for (const [name, { heardMs, saidDoubt }] of this.symbols) {
      if (nowMs - heardMs < FORGOTTEN_AFTER_MS) continue;
      if (saidDoubt === true) this.options.bus.sayDoubt(name, false);
      this.forget(name);
    }
  }

  /** Another gateway can take at once. */
  stop(): void {
    this.unwatch();
    this.taker.close();
    this.end();
  }

  private begin(sources: ReadonlyMap<string, string>): void {
    this.counters.begun += 1;
    const nowMs = this.options.clock.nowMs();
    for (const [name, source] of sources) {
      const symbol = new SymbolIntake(source, nowMs);
      this.symbols.set(name, symbol);
      this.announce(name, symbol);
    }
    this.options.port.subscribePattern(`${this.beginning}*`);
  }

  private end(): void {
    this.options.port.unsubscribePattern(`${this.beginning}*`);
    for (const name of [...this.symbols.keys()]) this.drop(name);
  }

  private forget(name: string): void {
    if (this.drop(name)) this.taker.forget(name);
  }

  private drop(name: string): boolean {
    for (const { bytes } of this.symbols.get(name)?.waiting ?? []) this.waitingBytes -= bytes + MESSAGE_BYTES;
    return this.symbols.delete(name);
  }

  private receive(name: string, bytes: Uint8Array): void {
    const { instruments, limits, clock } = this.options;
    this.counters.messages += 1;
    if (instruments.get(name) === undefined) return this.refuse(name, fault('unknown-symbol', name.slice(0, 48)));
    const message = readPlainMessage(bytes, limits);
    if ('code' in message) return this.refuse(name, message);
    const nowMs = clock.nowMs();
    const symbol = this.symbols.get(name) ?? new SymbolIntake(null, nowMs);
    this.symbols.set(name, symbol);
    symbol.heardMs = nowMs;
    symbol.waiting.push(message);
    this.waitingBytes += message.bytes + MESSAGE_BYTES;
    if (this.waitingBytes > WAITING_BYTES_MAX) this.overflow(name, symbol);
    if (symbol.running) return;
    this.run(name, symbol).catch((error: unknown) => {
      this.doubt(name, symbol);
      this.options.onError(error);
    });
  }

  /** Redis does not keep up: what waits is old by now, the newest of it as well. */
  private overflow(name: string, symbol: SymbolIntake): void {
    for (const message of symbol.waiting.splice(0)) {
      this.waitingBytes -= message.bytes + MESSAGE_BYTES;
      this.refuse(name, fault('bus-down', 'too many messages wait'), message);
    }
    this.doubt(name, symbol);
  }

  private async run(name: string, symbol: SymbolIntake): Promise<void> {
    symbol.running = true;
    try {
      while (symbol.waiting.length > 0 && this.isTaken(name, symbol)) {
        const batch = this.gather(name, symbol);
        const publishing = this.options.bus.publish(batch.publications);
        // After the batch: a snapshot in it would take the doubt away.
        this.announce(name, symbol);
        this.settle(name, symbol, batch, await publishing);
      }
    } finally {
      symbol.running = false;
    }
  }

  private isTaken(name: string, symbol: SymbolIntake): boolean {
    return this.taking && this.symbols.get(name) === symbol;
  }

  /** What can go in with one call: nothing of it depends on what becomes of the rest. */
  private gather(name: string, symbol: SymbolIntake): Batch {
    const batch: Batch = { publications: [], origins: [], refusals: new Map() };
    const { publications, origins } = batch;
    const { publishItemsMax } = this.options.limits;
    let work = 0;
    while (symbol.waiting.length > 0) {
      const message = symbol.waiting[0]!;
      // Messages count as well: of empty ones there may be many.
      const more = 1 + message.items.length;
      if (work > 0 && work + more > publishItemsMax) break;
      work += more;
      symbol.waiting.shift();
      this.waitingBytes -= message.bytes + MESSAGE_BYTES;
      if (symbol.follow(message)) this.counters.holes += 1;
      for (const [item, value] of message.items.entries()) {
        const publication = this.read(name, symbol, message, value);
        if ('code' in publication) {
          note(batch, message, { item, refused: publication });
          if (isOfBook(value)) symbol.lose(message.source);
        } else {
          publications.push(publication);
          origins.push({ message, item });
        }
      }
    }
    return batch;
  }

  private read(name: string, symbol: SymbolIntake, message: PlainMessage, value: unknown): Publication | Fault {
    const { instruments } = this.options;
    const instrument = instruments.get(name);
    if (instrument === undefined) return fault('unknown-symbol', name);
    const item = typeof value === 'object' && !Array.isArray(value) ? { symbol: name, ...value } : value;
    const publication = readPublication(item, instruments, message.mantissas);
    if ('code' in publication) return publication;
    if (publication.symbol !== name) return fault('bad-request', `the channel is that of ${name}`);
    if (publication.lease !== undefined) return fault('bad-request', 'a lease is for those who get an answer');
    const refused = checkUpdate(instrument, publication.update);
    if (refused !== null) return refused;
    const { update } = publication;
    if (update.kind === 'snapshot' && symbol.source !== message.source) this.taker.remember(name, message.source);
    return symbol.admit(update, message) ?? publication;
  }

  private settle(name: string, symbol: SymbolIntake, batch: Batch, answers: readonly Published[]): void {
    const { origins, refusals, publications } = batch;
    for (const [i, answer] of answers.entries()) {
      if (!('refused' in answer)) {
        this.counters.items += 1;
        continue;
      }
      const { message, item } = origins[i]!;
      note(batch, message, { item, refused: answer.refused });
      const { kind } = publications[i]!.update;
      if (kind === 'delta' || kind === 'snapshot') symbol.lose(message.source);
    }
    for (const [message, [first, ...others]] of refusals) {
      for (const { refused } of others) this.count(refused);
      this.refuse(name, first!.refused, message, { item: first!.item, refused: 1 + others.length });
    }
    if (this.symbols.get(name) !== symbol) return;
    this.announce(name, symbol);
    if (symbol.takeHealing()) this.options.bus.sayDoubt(name, false);
  }

  private doubt(name: string, symbol: SymbolIntake): void {
    symbol.doubt();
    this.announce(name, symbol);
  }

  private announce(name: string, symbol: SymbolIntake): void {
    if (symbol.takeDoubt()) this.options.bus.sayDoubt(name, true);
  }

  private count({ code }: Fault): void {
    this.counters.refused += 1;
    this.options.onRefusal(code);
  }

  /** A publisher gets no answer: whoever wants to know listens to the channel of refusals. */
  private refuse(name: string, refused: Fault, message?: PlainMessage, where: object = {}): void {
    this.count(refused);
    this.log(name, refused);
    if (!isSymbol(name) || ++this.told > TOLD_PER_PULSE) return;
    const { source, number } = message ?? { source: '', number: null };
    const about = { ...(source !== '' && { from: source }), ...(number !== null && { n: number }), ...where };
    const text = JSON.stringify({ ...refused, ...about });
    this.options.port.publish(`${this.options.prefix}:refused:${name}`, Buffer.from(text)).catch(() => {});
  }

  private log(name: string, refused: Fault): void {
    const nowMs = this.options.clock.nowMs();
    if (nowMs - (this.loggedMs.get(refused.code) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    this.loggedMs.set(refused.code, nowMs);
    this.options.onRefused(name.slice(0, 48), refused);
  }
}

function note({ refusals }: Batch, message: PlainMessage, refusal: Refusal): void {
  const noted = refusals.get(message);
  if (noted === undefined) refusals.set(message, [refusal]);
  else noted.push(refusal);
}

function isOfBook(item: unknown): boolean {
  if (typeof item !== 'object' || item === null || !('type' in item)) return false;
  return item.type === 'delta' || item.type === 'snapshot';
}
