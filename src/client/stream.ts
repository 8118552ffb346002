// Owns a client's side of one connection, without the transport: what it is subscribed to, what it holds, what it lacks.
// Browser and Node clients, the CLI and the simulator feed it messages. Invariant: what a topic holds is exact at its seq;
// a hole or a wrong checksum is noticed here and answered with a resync request.

import type { Decoder } from '../protocol/codec.ts';
import {
  type AckFrame,
  type BookFrame,
  type Channel,
  type Frame,
  type PartFrame,
  type QuoteFrame,
  type StatusFrame,
  type TopicFrame,
  type TradeFrame,
  topicName,
} from '../protocol/frames.ts';
import type { ClientCodec } from './codecs.ts';
import { cursorOf, grouping, type Held, noCounters, type StreamHandlers, type SubscribeOptions } from './held.ts';
import { LocalBook } from './local-book.ts';
import { packed } from './packer.ts';

export type { Held, StreamHandlers, SubscribeOptions };

/** The client's side of one connection, without the transport. */
export class ClientStream {
  readonly held = new Map<number, Held>();
  private readonly byName = new Map<string, Held>();
  /** What unsubscribe requests that were not answered yet name, by their ids. */
  private readonly leaving = new Map<number, readonly string[]>();
  /** What resync requests that were not answered yet are about, by their ids. */
  private readonly doubted = new Map<number | null, Held>();
  private readonly carried = new Map<string, Held>();
  private readonly decoder: Decoder;
  private nextId = 1;

  constructor(
    private readonly codec: ClientCodec,
    /** Sends one WebSocket message. The bytes are the receiver's to keep. */
    private readonly send: (message: Uint8Array) => void,
    private readonly handlers: StreamHandlers = {},
  ) {
    this.decoder = codec.decoder();
  }

  /** What is held of a topic, once it was announced. */
  find(channel: Channel, symbol: string, group = 0): Held | undefined {
    return this.byName.get(topicName(channel, symbol, group));
  }

  /** Takes over what an earlier connection held, on whichever node: topics of the same epoch continue from it. */
  carry(earlier: ClientStream): void {
    for (const [name, held] of [...earlier.carried, ...earlier.byName]) this.carried.set(name, held);
  }

  /** Nothing is to continue from what is held of that topic. */
  release(channel: Channel, symbol: string, group = 0): void {
    this.byName.delete(topicName(channel, symbol, group));
    this.carried.delete(topicName(channel, symbol, group));
  }

  /** Where the client stands in a topic, announced or only carried, to be brought along in `SubscribeOptions.cursor`. */
  cursor(channel: Channel, symbol: string, group = 0): { epoch: number; seq: number; depth?: number } | undefined {
    const held = this.find(channel, symbol, group) ?? this.carried.get(topicName(channel, symbol, group));
    return held && cursorOf(held);
  }

  /** Subscribes, or changes a subscription. @returns the request's id, which the ack repeats. */
  subscribe(channel: Channel, symbols: readonly string[], options: SubscribeOptions = {}): number {
    return this.request({ op: 'subscribe', channel, symbols, ...options });
  }

  /** Ends subscriptions. @returns the request's id. */
  unsubscribe(channel: Channel, symbols: readonly string[], group = 0): number {
    const id = this.request({ op: 'unsubscribe', channel, symbols, ...grouping(group) });
    this.leaving.set(
      id,
      symbols.map((symbol) => topicName(channel, symbol, group)),
    );
    return id;
  }

  /** Asks for a fresh start of what the client doubts. */
  resync(channel: Channel, symbols: readonly string[], group = 0): number {
    return this.request({ op: 'resync', channel, symbols, ...grouping(group) });
  }

  /** Asks for all instruments; with `watch` also for their changes from now on. */
  instruments(watch: boolean): number {
    return this.request({ op: 'instruments', watch });
  }

  /** Says how this connection is to be served; what is left out stays. */
  limit(wishes: { readonly maxBytesPerSec?: number; readonly topOfBook?: boolean }): number {
    return this.request({ op: 'limit', ...wishes });
  }

  /** Stalls this connection at the gateway for so long, to see it heal; 0 ends it. Only where the welcome allows it. */
  stall(stallMs: number): number {
    return this.request({ op: 'demo', stallMs });
  }

  /**
   * Asks for a pong, and tells gateways whose welcome states `silentMs` how late the client is, and of at most 256 topics the id and
   * the seq that is held, one after the other. @returns the request's id.
   */
  ping(report: { readonly lagMs?: number; readonly held?: readonly number[] } = {}): number {
    return this.request({ op: 'ping', ...report });
  }

  /**
   * Takes one WebSocket message.
   * @throws DecodeError where the gateway breaks the protocol; the connection is of no use then.
   */
  receive(message: Uint8Array): Frame[] {
    const frames = this.decoder.decode(message);
    for (const frame of frames) this.take(frame);
    return frames;
  }

  /**
   * Sends any request of proto/frames.md.
   * @returns its id, which the answer repeats.
   */
  request(fields: Readonly<Record<string, unknown>>): number {
    const id = this.nextId++;
    const { op, ...rest } = fields;
    const request = { op, id, ...rest };
    this.send(this.codec.binary ? packed(request) : new TextEncoder().encode(JSON.stringify(request)));
    return id;
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case 'ack':
        return this.acknowledged(frame);
      case 'topic':
        return this.announced(frame);
      case 'time':
        return;
      case 'error':
        this.stillDoubted(frame.id);
    }
    // What is of no topic changes nothing that is held.
    if (!('topic' in frame)) return this.handlers[frame.type]?.(frame as never);
    const held = this.held.get(frame.topic);
    if (held !== undefined) this.takeData(held, frame);
  }

  private takeData(held: Held, frame: Exclude<Extract<Frame, { topic: number }>, TopicFrame>): void {
    switch (frame.type) {
      case 'book':
        return this.takeBook(held, frame);
      case 'part':
        return this.takePart(held, frame);
      case 'quote':
        if (!this.accepts(held, frame)) return;
        held.quote = frame;
        return this.handlers.quote?.(held, frame);
      case 'status':
        if (!this.accepts(held, frame)) return;
        held.status = frame;
        return this.handlers.status?.(held, frame);
      case 'trade':
        return this.takeTrade(held, frame);
      case 'health':
        held.health = frame;
        return this.handlers.health?.(held, frame);
      case 'gap':
        held.counters.gapped += frame.lastSeq - Math.max(held.seq, frame.firstSeq - 1);
        held.accountedSeq = frame.lastSeq;
        // Events go on after the gap; a state stays what it is until the reset that follows.
        if (held.topic.channel === 'trade') held.seq = frame.lastSeq;
        return this.handlers.gap?.(held, frame);
      case 'reset':
        held.counters.resets += 1;
        held.awaitsReset = false;
        if (held.topic.channel === 'trade') this.cover(held, frame.seq);
        held.seq = held.topic.channel === 'trade' ? frame.seq : 0;
        held.valid = held.topic.channel === 'trade';
        held.book?.reset();
        return this.handlers.reset?.(held, frame);
      case 'healed':
        if (frame.how !== 'other') held.counters[frame.how === 'snapshot' ? 'snapshots' : frame.how] += 1;
        return this.handlers.healed?.(held, frame);
      case 'end':
        this.forget(held);
        return this.handlers.end?.(held, frame);
    }
  }

  /** A topic frame: a new topic, or another epoch or definition of a known one. */
  private announced(topic: TopicFrame): void {
    const name = topicName(topic.channel, topic.symbol, topic.group);
    const known = this.held.get(topic.topic);
    const before = known ?? this.carried.get(name);
    this.carried.delete(name);
    const continues = before !== undefined && before.topic.epoch === topic.epoch;
    const held: Held = {
      seq: 0,
      accountedSeq: -1,
      valid: false,
      awaitsReset: false,
      book: topic.channel === 'book' ? new LocalBook() : null,
      quote: null,
      status: null,
      counters: before?.counters ?? noCounters(),
      ...(continues ? before : {}),
      // What one gateway thought of a topic says nothing of another.
      health: known?.health ?? null,
      topic,
    };
    this.held.set(topic.topic, held);
    this.byName.set(name, held);
    this.handlers.topic?.(held);
  }

  /** The resync was refused, as one of too many requests: the next frame is reason for another. */
  private stillDoubted(id: number | null): void {
    const held = this.doubted.get(id);
    if (held !== undefined) held.awaitsReset = false;
    this.doubted.delete(id);
  }

  private acknowledged(frame: AckFrame): void {
    this.doubted.delete(frame.id);
    if (frame.op === 'unsubscribe') {
      // Until now the topic may have been announced, and have continued from what was carried.
      for (const name of this.leaving.get(frame.id) ?? []) this.carried.delete(name);
      this.leaving.delete(frame.id);
      for (const { topic } of frame.accepted) {
        const held = this.held.get(topic);
        if (held !== undefined) this.forget(held);
      }
    }
    this.handlers.ack?.(frame);
  }

  private forget({ topic }: Held): void {
    this.held.delete(topic.topic);
    this.byName.delete(topicName(topic.channel, topic.symbol, topic.group));
  }

  private takeBook(held: Held, frame: BookFrame): void {
    const book = held.book;
    if (book === null) return;
    const before = book.seq;
    const badBefore = book.counters.badChecksums;
    const outcome = book.apply(frame);
    held.seq = book.seq;
    held.valid = book.valid;
    if (outcome === 'resync') return this.startOver(held, book.counters.badChecksums > badBefore ? 'checksum' : 'hole');
    if (outcome === 'ignored') held.counters.ignored += 1;
    if (outcome !== 'applied') return;
    if (frame.fromSeq === 0) {
      held.awaitsReset = false;
      this.cover(held, frame.seq);
    } else this.count(held, before, frame.seq);
    this.handlers.book?.(held, book, frame);
  }

  private takePart(held: Held, frame: PartFrame): void {
    if (held.book?.hold(frame) === 'resync') this.startOver(held, 'hole');
  }

  private takeTrade(held: Held, frame: TradeFrame): void {
    if (frame.seq <= held.seq) {
      held.counters.ignored += 1;
      return;
    }
    if (!held.valid || frame.fromSeq > held.seq) return this.startOver(held, 'hole');
    this.count(held, held.seq, frame.seq);
    held.seq = frame.seq;
    this.handlers.trade?.(held, frame);
  }

  /** The sequence rule for frames that carry a whole state. */
  private accepts(held: Held, { fromSeq, seq }: QuoteFrame | StatusFrame): boolean {
    if (fromSeq !== 0) {
      if (!held.valid || fromSeq > held.seq) {
        this.startOver(held, 'hole');
        return false;
      }
      if (seq <= held.seq) {
        held.counters.ignored += 1;
        return false;
      }
      this.count(held, held.seq, seq);
    }
    if (fromSeq === 0) {
      held.awaitsReset = false;
      this.cover(held, seq);
    }
    held.seq = seq;
    held.valid = true;
    return true;
  }

  private count(held: Held, heldSeq: number, seq: number): void {
    if (seq <= heldSeq) return;
    held.counters.delivered += 1;
    held.counters.merged += seq - heldSeq - 1;
    held.accountedSeq = seq;
  }

  /** A fresh start at `seq`: the first one of an epoch is where the account begins. */
  private cover(held: Held, seq: number): void {
    if (held.accountedSeq >= 0 && seq > held.accountedSeq) held.counters.covered += seq - held.accountedSeq;
    held.accountedSeq = seq;
  }

  private startOver(held: Held, reason: 'hole' | 'checksum'): void {
    // One request per trouble: until the reset arrives whatever comes is of no use; nor is what comes of a topic that is being left.
    const { channel, symbol, group } = held.topic;
    const isLeft = [...this.leaving.values()].flat().includes(topicName(channel, symbol, group));
    if (held.awaitsReset || isLeft) return;
    held.awaitsReset = true;
    held.counters.resyncs += 1;
    held.valid = false;
    held.seq = 0;
    held.book?.reset();
    this.doubted.set(this.resync(channel, [symbol], group), held);
    this.handlers.resync?.(held, reason);
  }
}
