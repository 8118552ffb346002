// Owns counts by name that go up and down with every connection. Admission keeps one of addresses and one of principals.
// Invariant: what is counted is above zero; names that are at zero are forgotten, though not at once: a map that shrinks or is
// refilled makes itself anew, and its old tables hold each other beyond every small collection of garbage.

const ZEROES_MAX = 1_024;

export class Tally {
  private counts = new Map<string, number>();
  private zeroes = 0;

  /** Names that are above zero. */
  get size(): number {
    return this.counts.size - this.zeroes;
  }

  /** Names that it holds, those at zero that are not forgotten yet among them. */
  get kept(): number {
    return this.counts.size;
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  add(name: string): void {
    const count = this.counts.get(name);
    if (count === 0) this.zeroes -= 1;
    this.counts.set(name, (count ?? 0) + 1);
  }

  /** Never below zero. */
  take(name: string): void {
    const count = this.counts.get(name) ?? 0;
    if (count === 0) return;
    this.counts.set(name, count - 1);
    if (count > 1) return;
    this.zeroes += 1;
    if (this.zeroes > ZEROES_MAX && this.zeroes > this.counts.size / 2) this.forget();
  }

  private forget(): void {
    const counts = new Map<string, number>();
    for (const [name, count] of this.counts) if (count > 0) counts.set(name, count);
    this.counts = counts;
    this.zeroes = 0;
  }
}
