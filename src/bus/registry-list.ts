// Owns the agreement between one list of this node and the same list in Redis: what is written, what is read, which of two changes
// holds. The registry has one for instruments and one for named sets. Invariant: of two changes of a name the one of the higher
// revision holds, and a change made here that has no revision yet counts as the newest; nothing goes but by a tombstone.

import { isSymbol } from '../market/instrument.ts';
import {
  type RedisArgument,
  RedisFailure,
  type RedisIdentity,
  type RedisPort,
  type RedisReply,
} from '../ports/redis.ts';
import { type Page, readMessage, readPage, readValue, readWritten } from './registry-reply.ts';
import { isTombstone, newerFormat, type Shelf, TOMBSTONE } from './registry-shelf.ts';

export interface RegistryListOptions {
  readonly port: Pick<RedisPort, 'call'>;
  /** The list's key, and its channel; holds a hash tag. */
  readonly key: string;
  readonly shelf: Shelf;
  readonly tombstonesMax: number;
  readonly newIncarnation: () => string;
  readonly onError: (error: Error) => void;
}

interface Change {
  readonly revision: number;
  readonly value: unknown;
}

interface Writing {
  readonly name: string;
  /** Null: it is gone. */
  readonly text: string | null;
  readonly condition: number;
  /** The newest revision of the name that was known when it was sent. */
  readonly knownRevision: number;
}

/** In one call: bounds the time for which Redis does nothing else, and for which this process does. */
const PAGE_NAMES_MAX = 500;
const PAGE_BYTES_MAX = 1_048_576;
const WRITE_NAMES_MAX = 100;
const WRITE_BYTES_MAX = 1_048_576;
/** Which revision a write may replace: any. */
const ALWAYS = Number.POSITIVE_INFINITY;

export class RegistryList {
  readonly key: string;
  /** Resolves after the first complete read, or when it is given up. */
  readonly settled: Promise<void>;
  /** What came and was not taken. */
  skipped = 0;
  private readonly keys: readonly string[];
  private readonly unwatch: () => void;
  private begun!: () => void;
  private hasSettled = false;
  private isUp = false;
  private writable = false;
  private closed = false;
  private incarnation: string | null = null;
  /** Every change up to this revision is known. */
  private base = 0;
  /** A read from the beginning is under way: at its end, what did not come is not there. */
  private whole = true;
  /** Something may be there to read. */
  private wanted = false;
  /** The newest revision of each name that came. */
  private readonly known = new Map<string, number>();
  /** The same before the present read from the beginning, for names that it has not come to; 0 in another incarnation. */
  private readonly before = new Map<string, number>();
  /** Names that are gone, the latest last. */
  private readonly tombstones = new Set<string>();
  /** Names to write as they are here then, in order, each with the newest revision that may be replaced. */
  private readonly dirty = new Map<string, number>();
  /** Names being written, each with the newest change that came meanwhile. */
  private readonly inFlight = new Map<string, Change | null>();
  /** The name that is changed here because it changed in Redis. */
  private applying: string | null = null;
  private running = false;
  private readonly resting: (() => void)[] = [];
  private readonly told = new Set<string>();

  constructor(private readonly options: RegistryListOptions) {
    const { key, shelf } = options;
    this.key = key;
    this.keys = [key, `${key}:revisions`, `${key}:tombstones`];
    this.settled = new Promise((resolve) => {
      this.begun = resolve;
    });
    this.unwatch = shelf.watch((name) => this.changed(name));
  }

  /** Whether what changes here at this moment was changed by another node. */
  get isApplying(): boolean {
    return this.applying !== null;
  }

  get waiting(): number {
    return this.dirty.size + this.inFlight.size;
  }

  up({ writable }: RedisIdentity): void {
    this.isUp = true;
    this.writable = writable;
    // It may be another server, or have lost its latest changes: all that is known is in question.
    this.startOver(false);
    this.check();
  }

  down(): void {
    this.isUp = false;
  }

  check(): void {
    this.wanted = true;
    void this.run();
  }

  /** What is changed here from now on is written, whatever Redis holds. */
  settle(): void {
    this.hasSettled = true;
    this.begun();
  }

  idle(): Promise<void> {
    return this.running ? new Promise((resolve) => this.resting.push(resolve)) : Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.down();
    this.unwatch();
  }

  message(bytes: Uint8Array): void {
    const message = readMessage(bytes);
    if (message === null) return this.skip('message', 'a message is not [incarnation, revision, name, value]');
    const { incarnation, revision, name, value } = message;
    if (incarnation === this.incarnation && revision <= this.base) return;
    // A hole, or another incarnation: what is missing is read, and this with it.
    if (incarnation !== this.incarnation || revision > this.base + 1) return this.check();
    this.base = revision;
    this.arrived(name, { revision, value });
  }

  private changed(name: string): void {
    if (name === this.applying) return;
    const listed = this.options.shelf.has(name);
    this.dirty.delete(name);
    this.tombstones.delete(name);
    const isChange = this.hasSettled || this.known.has(name);
    // What was listed and delisted before Redis was asked for it: it was not there.
    if (!listed && !isChange) return;
    this.dirty.set(name, isChange ? ALWAYS : 0);
    if (!listed) this.bury(name);
    void this.run();
  }

  private mayRun(): boolean {
    return this.isUp && (this.wanted || (this.writable && this.dirty.size > 0));
  }

  /** Reads and writes, one call at a time, until there is nothing to do or a call fails; `check` and `up` begin again. */
  private async run(): Promise<void> {
    if (this.running || this.closed) return;
    this.running = true;
    // What else changes in this turn is written with it.
    await null;
    while (this.mayRun()) {
      const kind = this.wanted ? 'read' : 'write';
      try {
        if (this.wanted) await this.read();
        else await this.write();
        this.told.delete(kind);
      } catch (error) {
        const lost = error instanceof RedisFailure && error.outcome !== 'refused';
        if (!lost) this.tell(kind, error instanceof Error ? error.message : String(error));
        break;
      }
    }
    this.running = false;
    for (const rest of this.resting.splice(0)) rest();
  }

  private async read(): Promise<void> {
    this.wanted = false;
    let page: Page;
    try {
      const since = this.base;
      const reply = await this.call(['read', this.incarnation ?? '', since, PAGE_NAMES_MAX, PAGE_BYTES_MAX]);
      page = readPage(reply);
      if (page.incarnation !== this.incarnation) this.startOver(true);
      else if (page.from < since) this.startOver(false);
    } catch (error) {
      this.wanted = true;
      throw error;
    }
    this.incarnation = page.incarnation;
    for (const { name, revision, text } of page.entries) this.arrived(name, { revision, value: readValue(text) });
    this.base = Math.max(this.base, page.reached);
    if (page.reached < page.last) this.wanted = true;
    else if (this.whole) this.complete(page.last);
  }

  /** Whatever is known may be lost in Redis, or stand there under other revisions. */
  private startOver(otherIncarnation: boolean): void {
    for (const [name, revision] of this.known) this.before.set(name, revision);
    if (otherIncarnation) for (const name of this.before.keys()) this.before.set(name, 0);
    this.known.clear();
    this.base = 0;
    this.whole = true;
  }

  /** All that Redis holds has come: what it does not hold is written, what it lost of what is gone as well. */
  private complete(last: number): void {
    this.whole = false;
    for (const [name, revision] of this.before) {
      const lost = revision === 0 || revision > last;
      if (lost && this.tombstones.has(name)) this.restore(name, 0);
    }
    this.before.clear();
    for (const name of this.options.shelf.names()) if (!this.known.has(name)) this.restore(name, 0);
    this.settle();
  }

  private restore(name: string, condition: number): void {
    if (!this.dirty.has(name) && !this.inFlight.has(name)) this.dirty.set(name, condition);
  }

  /** A change that Redis holds. */
  private arrived(name: string, change: Change): void {
    const { revision } = change;
    const known = this.known.get(name);
    if (known !== undefined && revision <= known) return;
    if (!isSymbol(name)) return this.skip('name', `${JSON.stringify(name.slice(0, 48))} is no name`);
    const namesMax = this.options.shelf.namesMax + this.options.tombstonesMax;
    if (known === undefined && this.known.size >= namesMax) {
      return this.skip('full', `there are more than ${namesMax} names, no more are taken`);
    }
    this.known.set(name, revision);
    const before = this.before.get(name) ?? 0;
    this.before.delete(name);
    if (this.inFlight.has(name)) {
      this.inFlight.set(name, change);
      return;
    }
    const condition = this.dirty.get(name);
    if (condition !== undefined && revision <= condition) return;
    this.dirty.delete(name);
    // A promoted replica had not seen what this node saw.
    if (before > revision) this.restore(name, revision);
    else this.apply(name, change.value);
  }

  private apply(name: string, value: unknown): void {
    const { shelf } = this.options;
    this.applying = name;
    try {
      const newer = newerFormat(value);
      if (newer !== null) {
        this.skip(
          'format',
          `${shelf.noun} ${name} has format ${newer}, which this gateway does not know: it stays as it is here. Update this gateway`,
        );
      } else if (isTombstone(value)) {
        shelf.remove(name);
        this.bury(name);
      } else {
        const wrong = shelf.put(name, value);
        if (wrong === null) this.tombstones.delete(name);
        else this.skip('value', `${shelf.noun} ${name} is not taken: ${wrong}`);
      }
    } catch (error) {
      this.tell('listener', error instanceof Error ? error.message : String(error));
    } finally {
      this.applying = null;
    }
  }

  private async write(): Promise<void> {
    const batch = this.takeBatch();
    if (batch.length === 0) return;
    let revisions: readonly number[] | null;
    try {
      const args: RedisArgument[] = ['write', this.options.newIncarnation(), this.options.tombstonesMax];
      for (const { name, text, condition } of batch) {
        args.push(name, text ?? TOMBSTONE, text === null ? 1 : 0, condition === ALWAYS ? 'always' : condition);
      }
      const written = readWritten(await this.call(args));
      revisions = written.incarnation === this.incarnation ? written.revisions : null;
    } catch (error) {
      this.putBack(batch, !(error instanceof RedisFailure) || error.outcome === 'unknown');
      throw error;
    }
    // Without revisions it was written into an incarnation that is yet to be read.
    for (const [index, { name }] of batch.entries()) this.wrote(name, revisions?.[index] ?? 0);
  }

  /** The next names to write, as they are here now. */
  private takeBatch(): Writing[] {
    const batch: Writing[] = [];
    let bytes = 0;
    for (const [name, condition] of this.dirty) {
      if (batch.length >= WRITE_NAMES_MAX || bytes >= WRITE_BYTES_MAX) break;
      this.dirty.delete(name);
      const text = this.options.shelf.text(name);
      if (text === null && !this.tombstones.has(name)) continue;
      bytes += text?.length ?? 0;
      batch.push({ name, text, condition, knownRevision: this.known.get(name) ?? 0 });
      this.inFlight.set(name, null);
    }
    return batch;
  }

  /** It has its revision; 0 where something newer stands in Redis. */
  private wrote(name: string, revision: number): void {
    const meanwhile = this.inFlight.get(name) ?? null;
    this.inFlight.delete(name);
    if (revision > (this.known.get(name) ?? 0)) this.known.set(name, revision);
    if (meanwhile !== null && meanwhile.revision > revision && !this.dirty.has(name)) this.apply(name, meanwhile.value);
    else if (revision === 0) this.wanted = true;
  }

  /** The call failed. Where it may have been done, a second time must not undo what another node did since. */
  private putBack(batch: readonly Writing[], maybeDone: boolean): void {
    for (const { name, condition, knownRevision } of batch) {
      const meanwhile = this.inFlight.get(name) ?? null;
      this.inFlight.delete(name);
      if (this.dirty.has(name)) continue;
      const now = maybeDone ? Math.min(condition, knownRevision) : condition;
      if (meanwhile !== null && meanwhile.revision > now) this.apply(name, meanwhile.value);
      else this.dirty.set(name, now);
    }
  }

  /** Remembers that the name is gone; the oldest such is forgotten. */
  private bury(name: string): void {
    this.tombstones.delete(name);
    this.tombstones.add(name);
    if (this.tombstones.size <= this.options.tombstonesMax) return;
    const oldest = this.tombstones.values().next().value as string;
    this.tombstones.delete(oldest);
    this.known.delete(oldest);
    if (this.dirty.delete(oldest)) this.skip('waiting', `too many wait to be deleted; ${oldest} is kept in Redis`);
  }

  private call(args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.options.port.call('list', this.keys, args);
  }

  private skip(kind: string, message: string): void {
    this.skipped += 1;
    this.tell(kind, message);
  }

  /** Once of each kind: a bad list has thousands of them. */
  private tell(kind: string, message: string): void {
    if (this.told.has(kind)) return;
    this.told.add(kind);
    this.options.onError(new Error(`${this.key}: ${message}`));
  }
}
