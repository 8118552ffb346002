// Owns a file whose content the gateway works by: read at the start, and again when it has changed. Access and the issuer's keys
// keep theirs so. Invariant: a content with faults is never taken over; what was read last without any stays.

import { readFileSync, statSync } from 'node:fs';

/** What a file was read into, or all that is wrong with it. */
export type Reading<T> = { readonly value: T } | { readonly faults: readonly string[] };

export interface KeptFileOptions<T> {
  readonly path: string;
  readonly bytesMax: number;
  readonly read: (text: string) => Reading<T>;
}

export class KeptFile<T> {
  /** What is wrong with the file as it is now; null: nothing. */
  trouble: readonly string[] | null = null;
  private current: T;
  /** Which state of the file was looked at last. */
  private seen = '';

  /** @throws FileFaults where it can't be read at all: there is nothing to fall back on yet. */
  constructor(private readonly options: KeptFileOptions<T>) {
    this.seen = this.stamp();
    const reading = this.read();
    if ('faults' in reading) throw new FileFaults(reading.faults);
    this.current = reading.value;
  }

  get value(): T {
    return this.current;
  }

  /** Reads the file again. @returns whether it was taken over; else `trouble` says why not. */
  reload(): boolean {
    // Before reading: what is written meanwhile is another state, and read the next time.
    this.seen = this.stamp();
    const reading = this.read();
    if ('faults' in reading) {
      this.trouble = reading.faults;
      return false;
    }
    this.trouble = null;
    this.current = reading.value;
    return true;
  }

  /** Whether the file is another than the one that was looked at. One call of the system. */
  isChanged(): boolean {
    return this.stamp() !== this.seen;
  }

  private read(): Reading<T> {
    const { path, bytesMax, read } = this.options;
    try {
      const stat = statSync(path);
      if (!stat.isFile()) return { faults: ['it is not a file'] };
      if (stat.size > bytesMax) return { faults: [`it has ${stat.size} bytes, at most ${bytesMax}`] };
      return read(readFileSync(path, 'utf8'));
    } catch (error) {
      return { faults: [`it can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`] };
    }
  }

  private stamp(): string {
    try {
      const { mtimeMs, ctimeMs, size, ino } = statSync(this.options.path);
      return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
    } catch {
      return 'absent';
    }
  }
}

/** All that is wrong with a file that has to be there. */
export class FileFaults extends Error {
  override readonly name = 'FileFaults';

  constructor(readonly faults: readonly string[]) {
    super(faults.join('; '));
  }
}
