// Owns which symbols a pattern stands for: wildcards (`BTC-*`), and named sets (`@majors`), which operators put and take away while
// running. Sessions ask it, HTTP changes it. Invariant: matching takes time in proportion to pattern and symbol, whatever they are.

import { isSymbol } from './instrument.ts';

/** A named set: symbols, and wildcards that pick up new listings. */
export interface SymbolSet {
  readonly name: string;
  readonly symbols: readonly string[];
}

export const SETS_MAX = 1_000;
export const SET_SYMBOLS_MAX = 10_000;
const PATTERN_CHARACTERS_MAX = 64;

interface Known extends SymbolSet {
  readonly exact: ReadonlySet<string>;
  readonly wildcards: readonly string[];
}

/** Whether a symbol of a request stands for several: a wildcard or the name of a set. */
export function isPattern(symbol: string): boolean {
  return symbol.startsWith('@') || symbol.includes('*');
}

/** Whether it is a wildcard that can match anything: the characters of symbols and `*`. */
export function isWildcard(pattern: string): boolean {
  return pattern.length <= PATTERN_CHARACTERS_MAX && pattern.includes('*') && /^[A-Za-z0-9._*-]+$/.test(pattern);
}

/** Whether a symbol is what a wildcard describes; `*` stands for any number of characters, also none. */
export function matchesWildcard(pattern: string, symbol: string): boolean {
  let at = 0;
  let place = 0;
  /** Where the last `*` stood, and how far it has been taken to reach. */
  let star = -1;
  let reach = 0;
  while (place < symbol.length) {
    if (pattern[at] === '*') {
      star = at++;
      reach = place;
    } else if (pattern[at] === symbol[place]) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      at = star + 1;
      place = ++reach;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

export class SymbolSets {
  private readonly sets = new Map<string, Known>();
  private readonly watchers = new Set<(name: string) => void>();

  get(name: string): SymbolSet | undefined {
    return this.sets.get(name);
  }

  list(): SymbolSet[] {
    return [...this.sets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns what is wrong with the set, or null: then it holds from now on, instead of what it was. */
  put({ name, symbols }: SymbolSet): string | null {
    if (!isSymbol(name)) return 'a name is 1 to 48 of A-Za-z0-9._-';
    if (symbols.length > SET_SYMBOLS_MAX) return `${symbols.length} symbols, at most ${SET_SYMBOLS_MAX}`;
    const wrong = symbols.find((symbol) => !isSymbol(symbol) && !isWildcard(symbol));
    if (wrong !== undefined) return `${JSON.stringify(wrong.slice(0, 48))} is neither a symbol nor a wildcard`;
    if (!this.sets.has(name) && this.sets.size >= SETS_MAX) return `there are ${SETS_MAX} sets, no more are taken`;
    const exact = new Set(symbols.filter((symbol) => !symbol.includes('*')));
    const wildcards = symbols.filter((symbol) => symbol.includes('*'));
    this.sets.set(name, { name, symbols: [...symbols], exact, wildcards });
    for (const watcher of this.watchers) watcher(name);
    return null;
  }

  /** @returns whether there was one. */
  delete(name: string): boolean {
    if (!this.sets.delete(name)) return false;
    for (const watcher of this.watchers) watcher(name);
    return true;
  }

  /** Called after a set has become another. */
  watch(watcher: (name: string) => void): void {
    this.watchers.add(watcher);
  }

  /** Whether the pattern stands for anything: a wildcard, or a set that there is. */
  knows(pattern: string): boolean {
    return pattern.startsWith('@') ? this.sets.has(pattern.slice(1)) : isWildcard(pattern);
  }

  matches(pattern: string, symbol: string): boolean {
    if (!pattern.startsWith('@')) return matchesWildcard(pattern, symbol);
    const set = this.sets.get(pattern.slice(1));
    if (set === undefined) return false;
    return set.exact.has(symbol) || set.wildcards.some((wildcard) => matchesWildcard(wildcard, symbol));
  }
}
