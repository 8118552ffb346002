// Owns the list of what happened. The story and the page add lines to it. Invariant: it holds the newest hundred, the
// newest first, and each is plain text.

import { append, element } from './drawing.ts';

const LINES_MAX = 100;

/** `good`: something healed; `bad`: something was lost or refused. */
export type LineKind = 'plain' | 'good' | 'bad';

export class LogPanel {
  private readonly list = element('log', HTMLElement);

  add(text: string, kind: LineKind = 'plain'): void {
    const line = document.createElement('li');
    line.dataset.kind = kind;
    const time = append(line, 'time');
    const now = new Date();
    time.textContent = now.toLocaleTimeString('en-GB');
    time.setAttribute('datetime', now.toISOString());
    append(line, 'span').textContent = text;
    this.list.prepend(line);
    while (this.list.childElementCount > LINES_MAX) this.list.lastElementChild!.remove();
  }
}
