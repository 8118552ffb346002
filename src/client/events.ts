// Owns what a client tells its user, and the small typed emitter that tells it. Client and subscriptions have one each.
// Invariant: a listener that throws disturbs neither the client nor the other listeners; its error is reported as uncaught.

import type {
  Channel,
  GapReason,
  GoodbyeFrame,
  HealedFrame,
  InstrumentFrame,
  Pace,
  PaceReason,
  ResetReason,
} from '../protocol/frames.ts';
import type { TickwireError } from './error.ts';

/** `waiting`: for the next attempt; `closed`: for good. */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'closed';

/** The connection has changed. */
export interface StateEvent {
  readonly state: ClientState;
  /** Address that the state is about. */
  readonly endpoint: string;
  /** Why, for people; null where there is nothing to say. */
  readonly reason: string | null;
}

/** Which subscription an event is about. */
export interface TopicName {
  readonly channel: Channel;
  readonly symbol: string;
  /** Of a grouped book: ticks that each level sums up. */
  readonly group?: number;
}

/** Sequence numbers that were missed: named by the gateway, or dropped here because a loop over trades was too slow (`overflow`). */
export interface GapEvent extends TopicName {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly reason: GapReason | 'overflow';
}

/** The client found a hole or a wrong checksum and has asked for a fresh start. */
export interface ResyncEvent extends TopicName {
  readonly reason: 'hole' | 'checksum';
}

/** What was held is void; a fresh start at `seq` follows. */
export interface ResetEvent extends TopicName {
  readonly seq: number;
  readonly reason: ResetReason;
}

/** How the connection is served from now on. */
export interface PaceEvent {
  readonly pace: Pace;
  /** Subscriptions of this priority and below are served so, those above at the pace before. */
  readonly priority: number;
  /** Least time between two answers to a subscription; 0: what it asked for. */
  readonly intervalMs: number;
  readonly reason: PaceReason;
}

/**
 * A subscription is whole again after a reconnect. `diffed`: by a difference to what was held; `replayed`: by the updates that were
 * missed, one by one; `snapshot`: by a fresh start; `current`: nothing had come for it after two round trips, so it lacked nothing.
 */
export interface HealEvent extends TopicName {
  readonly how: 'diffed' | 'replayed' | 'snapshot' | 'current';
  /** Of a fresh start, the gateway's reason, or `no-cursor` where the client had nothing to continue from; else null. */
  readonly reason: ResetReason | 'no-cursor' | null;
  /** Update that was held when the connection was lost, and the one that is held now. */
  readonly heldSeq: number;
  readonly seq: number;
  /** Milliseconds since the loss. */
  readonly tookMs: number;
}

/** How the gateway says that it answers where the client continues: `how`, and `why` so. Its updates follow. */
export interface HealedEvent extends TopicName, Pick<HealedFrame, 'how' | 'why'> {}

/** The gateway is about to stop. The client moves to the next address in `reconnectMs`, and misses nothing. */
export type GoodbyeEvent = Omit<GoodbyeFrame, 'type'>;

/** A refusal or a failure. It concerns a subscription where `channel` and `symbol` are given. */
export interface ErrorEvent extends Partial<TopicName> {
  readonly error: TickwireError;
}

/** An instrument, or news of one, after the request `instruments`. */
export type InstrumentEvent = Omit<InstrumentFrame, 'type'>;

/** See {@link Lag.latencyMs} for how it is measured. */
export interface Lag {
  /** The last own ping's; null before the first. */
  readonly roundTripMs: number | null;
  /** How far this client is behind what is due to it, as the gateway's last heartbeat said; null before the first. */
  readonly lagMs: number | null;
  /**
   * Age of the newest data when it arrived: receive time minus `gatewayUs`, corrected by the difference of the two clocks. That is
   * taken from the ping with the shortest round trip of the last eight, so it is wrong by half of that round trip at most.
   */
  readonly latencyMs: number | null;
}

/** What a client tells, by the name of the event. */
export interface ClientEvents {
  state: StateEvent;
  gap: GapEvent;
  resync: ResyncEvent;
  reset: ResetEvent;
  pace: PaceEvent;
  heal: HealEvent;
  healed: HealedEvent;
  goodbye: GoodbyeEvent;
  error: ErrorEvent;
  instrument: InstrumentEvent;
  lag: Lag;
}

export class Emitter<Events> {
  private readonly listeners = new Map<keyof Events, Set<{ readonly hear: (event: never) => void }>>();

  /** @returns a function that takes the listener away. */
  on<K extends keyof Events>(name: K, hear: (event: Events[K]) => void): () => void {
    const listener = { hear };
    const those = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, those.add(listener));
    return () => {
      those.delete(listener);
    };
  }

  hears(name: keyof Events): boolean {
    return (this.listeners.get(name)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const { hear } of [...(this.listeners.get(name) ?? [])]) {
      try {
        (hear as (event: Events[K]) => void)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
