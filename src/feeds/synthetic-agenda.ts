// Owns what will happen in the synthetic market and when: a heap by time. The market puts what follows from an event
// and takes what comes next. Invariant: what is taken never goes back in time, as long as nothing is put before it.

/** Whatever is beyond is left out: the market forgets a happening rather than grow. */
const PENDING_MAX = 65_536;

export class Agenda {
  private timesUs = new Float64Array(1_024);
  private matters = new Int32Array(1_024);
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** When the next one is due, microseconds of the market's own time; infinity where nothing is. */
  get nextUs(): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : this.timesUs[0]!;
  }

  /** @param matter what happens, in the caller's own code: a signed integer of 32 bits. */
  put(atUs: number, matter: number): void {
    if (this.count === PENDING_MAX) return;
    if (this.count === this.timesUs.length) this.grow();
    const { timesUs, matters } = this;
    let place = this.count++;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (timesUs[parent]! <= atUs) break;
      timesUs[place] = timesUs[parent]!;
      matters[place] = matters[parent]!;
      place = parent;
    }
    timesUs[place] = atUs;
    matters[place] = matter;
  }

  /** Removes the next one. @returns its matter. Only to be called where there is one. */
  take(): number {
    const { timesUs, matters } = this;
    const taken = matters[0]!;
    const last = --this.count;
    const atUs = timesUs[last]!;
    const matter = matters[last]!;
    let place = 0;
    for (let child = 1; child < last; child = 2 * place + 1) {
      if (child + 1 < last && timesUs[child + 1]! < timesUs[child]!) child += 1;
      if (timesUs[child]! >= atUs) break;
      timesUs[place] = timesUs[child]!;
      matters[place] = matters[child]!;
      place = child;
    }
    timesUs[place] = atUs;
    matters[place] = matter;
    return taken;
  }

  private grow(): void {
    const timesUs = new Float64Array(this.count * 2);
    const matters = new Int32Array(this.count * 2);
    timesUs.set(this.timesUs);
    matters.set(this.matters);
    this.timesUs = timesUs;
    this.matters = matters;
  }
}
