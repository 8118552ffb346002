// Owns what the page says in the place of what this client may not have, or not so much of. The page draws it.
// Invariant: where something is missing for that reason it says so; where it is missing for another, or not at all, it says nothing.

import type { BookSubscription, Depth } from '../client/index.ts';
import { element, Marks, Slot } from './drawing.ts';
import { isDenied, type Market } from './market.ts';
import { NOT_ALLOWED, withheld } from './words.ts';

export class EntitledPanel {
  private readonly bookParts = ['quote', 'ladder', 'proof'].map((id) => new Marks(element(id, HTMLElement)));
  private readonly bookNote = Slot.of('book-note');
  private readonly tape = new Marks(element('tape', HTMLElement));
  private readonly tapeNote = Slot.of('tape-note');
  private readonly watchNote = Slot.of('watch-note');

  /** @param levels that a person has asked for. */
  draw({ book, chosen, listings }: Market, levels: Depth): void {
    const bookDenied = isDenied(book);
    say(this.bookNote, bookDenied ? 'The book is not allowed to this client.' : limitsOf(book, levels));
    for (const part of this.bookParts) part.mark('hidden', bookDenied ? '' : null);
    const tapeDenied = isDenied(chosen?.feed?.trades);
    say(this.tapeNote, tapeDenied ? 'Trades are not allowed to this client.' : '');
    this.tape.mark('hidden', tapeDenied ? '' : null);
    const some = listings.some(({ feed }) => isDenied(feed?.quote) || isDenied(feed?.trades));
    say(this.watchNote, some ? `${NOT_ALLOWED} not allowed to this client` : '');
  }
}

function say(slot: Slot, sentence: string): void {
  slot.set(sentence);
  slot.mark('hidden', sentence === '' ? '' : null);
}

/** Empty where the book comes as it was asked for. */
function limitsOf(book: BookSubscription | null, levels: Depth): string {
  const granted = book?.inForce ?? null;
  if (granted === null) return '';
  const { depth, intervalMs } = granted;
  return withheld({ levels: depth !== 0 && depth < levels ? depth : null, intervalMs });
}
