// Owns what went wrong in one order of the crowd: counted, and the first few told in words.
// Everything that connects reports to one. Invariant: nothing that went wrong is lost from the count.

import type { Faults } from './messages.ts';

const TEXTS_MAX = 5;

export class FaultList {
  private count = 0;
  private readonly texts: string[] = [];

  add(text: string): void {
    this.count += 1;
    if (this.texts.length < TEXTS_MAX) this.texts.push(text);
  }

  told(): Faults {
    return { faults: this.count, faultTexts: this.texts };
  }
}
