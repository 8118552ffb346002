// Owns a subscription to a state: book, quote or status. The client makes them, the switchboard feeds them.
// Invariant: at most one state is kept, the newest that was looked at; listeners and loops never queue.

import type { Channel, ChannelFrame } from '../protocol/frames.ts';
import { ownError, type TickwireError } from './error.ts';
import { Emitter } from './events.ts';
import { Bell, Deferred, type Desk, Line, type LineWishes } from './line.ts';
import type { Held } from './stream.ts';
import type { StateSubscription } from './subscription.ts';

/** Makes a state from what is held and the frame that led there. */
type Maker<State, F> = (held: Held, frame: F, receivedUs: number) => State;

export class StateLine<State, F extends ChannelFrame> extends Line implements StateSubscription<State, LineWishes> {
  private readonly emitter = new Emitter<{ change: State }>();
  private readonly first = new Deferred<State>();
  private readonly bell = new Bell();
  /** Whether the newest state is still to be made, when somebody looks. */
  private unmade = false;
  private frame: F | null = null;
  private receivedUs = 0;
  private made: State | null = null;
  /** How many states there have been. */
  private count = 0;

  constructor(
    channel: Channel,
    symbol: string,
    wishes: LineWishes,
    desk: Desk,
    private readonly make: Maker<State, F>,
  ) {
    super(channel, symbol, wishes, desk);
  }

  get ready(): Promise<State> {
    return this.first.promise;
  }

  get current(): State | null {
    // What is held is void between a trouble and its fresh start: then it can't be made any more.
    if (this.unmade && this.held?.valid === true) this.made = this.make(this.held, this.frame!, this.receivedUs);
    this.unmade = false;
    return this.made;
  }

  on(_event: 'change', listener: (state: State) => void): () => void {
    return this.emitter.on('change', listener);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<State, void, undefined> {
    let seenCount = 0;
    let seen: State | null = null;
    for (;;) {
      if (this.error !== null) throw this.error;
      if (this.closed) return;
      if (this.count === seenCount) {
        await this.bell.next();
        continue;
      }
      seenCount = this.count;
      const state = this.current;
      if (state === seen || state === null) continue;
      seen = state;
      yield state;
    }
  }

  /** What the gateway thinks of the topic has changed. */
  override health(held: Held): void {
    if (this.frame !== null && held.valid) this.take(held, this.frame, this.receivedUs);
  }

  protected take(held: Held, frame: ChannelFrame, receivedUs: number): void {
    this.held = held;
    this.frame = frame as F;
    this.receivedUs = receivedUs;
    this.unmade = true;
    this.count += 1;
    if (this.count === 1) this.first.resolve(this.current!);
    if (this.emitter.hears('change')) this.emitter.emit('change', this.current!);
    this.bell.ring();
  }

  protected over(error: TickwireError | null): void {
    this.first.reject(error ?? ownError('closed'));
    this.bell.ring();
  }
}
