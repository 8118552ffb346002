// Owns how many updates a second each principal may publish, over all its connections and requests together. What takes items
// asks it. Invariant: over any time a principal is granted no more than its rate times that time and one second's worth; what one
// of them uses up is nobody else's.

import type { Clock } from '../ports/clock.ts';
import type { Identity } from '../sessions/access.ts';

/** More than publish at a time; beyond them those go first that were not heard of for longest. */
const PRINCIPALS_MAX = 10_000;

interface Bucket {
  left: number;
  countedMs: number;
}

export class PublishRate {
  /** Those that were heard of last are at the end. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    private readonly clock: Pick<Clock, 'nowMs'>,
    /** For every principal, as it is at the moment; 0: no limit. */
    private readonly limits: { readonly publishPerSecMax: number },
  ) {}

  /** Updates a second that are in force; 0: no limit. */
  perSec({ grant: { publishPerSec } }: Identity): number {
    const { publishPerSecMax } = this.limits;
    if (publishPerSec === 0 || publishPerSecMax === 0) return publishPerSec + publishPerSecMax;
    return Math.min(publishPerSec, publishPerSecMax);
  }

  /** Takes what it can of `count`. @returns how many of them are granted. */
  take(identity: Identity, count: number): number {
    const perSec = this.perSec(identity);
    if (perSec === 0) return count;
    const bucket = this.bucket(identity.principal, perSec);
    const granted = Math.min(count, Math.floor(bucket.left));
    bucket.left -= granted;
    return granted;
  }

  private bucket(principal: string, perSec: number): Bucket {
    const nowMs = this.clock.nowMs();
    const { left, countedMs } = this.buckets.get(principal) ?? { left: perSec, countedMs: nowMs };
    const bucket = { left: Math.min(perSec, left + ((nowMs - countedMs) / 1_000) * perSec), countedMs: nowMs };
    this.buckets.delete(principal);
    if (this.buckets.size >= PRINCIPALS_MAX) this.buckets.delete(this.buckets.keys().next().value!);
    this.buckets.set(principal, bucket);
    return bucket;
  }
}
