// Owns what a client knows of time on its link: round trips, the difference of the clocks, the age of what arrives.
// Each link has one; the client feeds it pongs, heartbeats and data. Invariant: what was measured on one connection says nothing of the next.

import { type Clock, systemClock } from '../ports/clock.ts';
import type { HeartbeatFrame, PongFrame } from '../protocol/frames.ts';
import type { Lag } from './events.ts';

const SAMPLES = 8;

/** Before anything was measured. */
export const NO_LAG: Lag = { roundTripMs: null, lagMs: null, latencyMs: null };

export class LagMeter {
  private readonly pings = new Map<number, { readonly sentMs: number }>();
  private samples: { readonly roundTripMs: number; readonly offsetUs: number }[] = [];
  private offsetUs = 0;
  private roundTripMs: number | null = null;
  private lagMs: number | null = null;
  private latencyMs: number | null = null;

  constructor(private readonly clock: Clock = systemClock) {}

  get lag(): Lag {
    const { roundTripMs, lagMs, latencyMs } = this;
    return { roundTripMs, lagMs, latencyMs };
  }

  sent(id: number): void {
    this.pings.set(id, { sentMs: this.clock.nowMs() });
  }

  /** @returns whether the ping was one of these. */
  pong({ id, timeUs }: PongFrame): boolean {
    const ping = this.pings.get(id);
    if (ping === undefined) return false;
    this.pings.delete(id);
    const roundTripMs = this.clock.nowMs() - ping.sentMs;
    this.roundTripMs = roundTripMs;
    this.samples.push({ roundTripMs, offsetUs: timeUs + roundTripMs * 500 - this.clock.nowUs() });
    if (this.samples.length > SAMPLES) this.samples.shift();
    this.offsetUs = this.samples.reduce((best, each) => (each.roundTripMs < best.roundTripMs ? each : best)).offsetUs;
    return true;
  }

  heartbeat({ lagMs }: HeartbeatFrame): void {
    this.lagMs = lagMs;
  }

  data(gatewayUs: number, receivedUs: number): void {
    if (this.roundTripMs !== null) this.latencyMs = Math.max(0, (receivedUs + this.offsetUs - gatewayUs) / 1_000);
  }
}
