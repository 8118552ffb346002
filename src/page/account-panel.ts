// Owns who this page says that it is: the credential that a person has typed, the form for it, and forgetting it. The page makes
// one before it connects. Invariant: a credential is kept in this tab's session storage alone; it stands in no address, in no text
// of the page and in no log.

import type { Client, TickwireError } from '../client/index.ts';
import { element, Slot } from './drawing.ts';
import { turnedAway } from './words.ts';

const KEPT = 'tickwire.credential';
/** Refusals that another credential may help against. */
const REFUSALS: readonly string[] = ['unauthenticated', 'bad-credential', 'expired-credential', 'revoked'];

/** What was typed in this tab before; undefined: nothing. */
export function keptCredential(): string | undefined {
  try {
    return sessionStorage.getItem(KEPT) ?? undefined;
  } catch {
    return undefined;
  }
}

export class AccountPanel {
  private readonly panel = element('sign-in', HTMLElement);
  private readonly input = element('credential', HTMLInputElement);
  private readonly button = element('account', HTMLButtonElement);
  private readonly why = Slot.of('sign-in-why');
  private readonly who = Slot.of('who');
  private readonly kept = keptCredential() !== undefined;

  constructor(private readonly client: Client) {
    element('sign-in-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.signIn(this.input.value.trim());
    });
    const forget = element('forget', HTMLButtonElement);
    forget.hidden = !this.kept;
    forget.addEventListener('click', () => keep(null));
    this.button.textContent = this.kept ? 'Forget key' : 'Sign in';
    this.button.addEventListener('click', () => (this.kept ? keep(null) : this.toggle()));
    client.on('error', ({ error, symbol }) => {
      if (symbol === undefined && REFUSALS.includes(error.code)) this.refused(error);
    });
  }

  draw(): void {
    const { identity } = this.client;
    this.who.set(identity?.principal ?? '');
    this.who.mark('hidden', identity === null ? '' : null);
  }

  private toggle(): void {
    this.panel.hidden = !this.panel.hidden;
    if (!this.panel.hidden) this.input.focus();
  }

  private refused(error: TickwireError): void {
    // The same credential is not shown again and again.
    this.client.close();
    this.tell(turnedAway(error), error.code === 'unauthenticated' ? null : 'bad');
    // Where nothing was ever shown there is nothing to look at.
    const empty = this.client.welcome === null;
    element('main', HTMLElement).hidden = empty;
    this.panel.hidden = false;
    if (empty) this.input.focus();
  }

  private signIn(credential: string): void {
    if (!/^[!-~]+$/.test(credential)) this.tell('An API key or a JWT is one line without spaces.');
    else if (!keep(credential)) this.tell('This browser lets the page keep nothing, so there is nowhere to put it.');
  }

  private tell(sentence: string, level: 'bad' | null = 'bad'): void {
    this.why.set(sentence);
    this.why.mark('data-level', level);
    this.why.mark('hidden', null);
  }
}

/** Keeps it, or with null forgets it, and begins anew with what is kept. @returns whether the browser lets it. */
function keep(credential: string | null): boolean {
  try {
    if (credential === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, credential);
  } catch {
    return false;
  }
  location.reload();
  return true;
}
