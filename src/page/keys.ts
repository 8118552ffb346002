// Owns the single-key shortcuts and the list of them. The page says what each key does.
// Invariant: no key acts while a person writes, with a modifier, behind the open list, or when they were turned off.

import { element } from './drawing.ts';
import { recall, remember } from './theme.ts';

export class Keys {
  private readonly dialog = element('keys-dialog', HTMLDialogElement);
  private readonly on = element('keys-on', HTMLInputElement);

  /** @param actions by key, as the browser names it. */
  constructor(private readonly actions: Readonly<Record<string, () => void>>) {
    this.on.checked = recall('keys') !== 'off';
    this.on.addEventListener('change', () => remember('keys', this.on.checked ? 'on' : 'off'));
    element('keys', HTMLButtonElement).addEventListener('click', () => this.show());
    document.addEventListener('keydown', (event) => this.pressed(event));
  }

  private show(): void {
    this.dialog.showModal();
  }

  private pressed(event: KeyboardEvent): void {
    if (!this.on.checked || this.dialog.open || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const { target } = event;
    const writes =
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && ['search', 'password'].includes(target.type));
    if (writes) return;
    if (event.key === '?') return this.show();
    const action = this.actions[event.key.toLowerCase()];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }
}
