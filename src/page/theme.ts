// Owns the choice between light and dark. The page makes one. Invariant: the choice outlives the page where the browser
// lets it, and `system` leaves it to the system.

const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];

export class ThemeChoice {
  private theme: Theme = THEMES.find((each) => each === recall('theme')) ?? 'system';

  constructor(private readonly button: HTMLElement) {
    button.addEventListener('click', () => this.next());
    this.apply();
  }

  next(): void {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length]!;
    remember('theme', this.theme);
    this.apply();
  }

  private apply(): void {
    if (this.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    this.button.textContent = `◐ ${this.theme}`;
    this.button.setAttribute('aria-label', `Theme: ${this.theme}`);
  }
}

/** What was remembered under a name; null where nothing was, or where the browser keeps nothing. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`tickwire.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`tickwire.${name}`, value);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
}
