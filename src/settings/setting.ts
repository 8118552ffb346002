// Owns what one setting is, and whether a value is one of it. The tables of settings are made of it; whatever reads a value, from
// a variable, a file or a flag, asks here. Invariant: what is said of a value never repeats one that is secret.

/** One setting: a number where its default is one, else text. */
export interface Setting {
  readonly env: string;
  readonly default: number | string;
  readonly min?: number;
  readonly max?: number;
  /** All that it can be. */
  readonly choices?: readonly string[];
  /** What its text has to match, and what is said of one that does not. */
  readonly pattern?: RegExp;
  readonly unfit?: string;
  /** Entries with commas between; a list in a file. */
  readonly list?: true;
  /** Never shown; `<env>_FILE` may name a file that holds it. */
  readonly secret?: true;
  /** Holds at once when it is changed while the gateway runs. */
  readonly live?: true;
  /** The flag of commands that start a gateway. */
  readonly flag?: string;
  /** What it is for, and why the default is what it is. */
  readonly about: string;
}

/** Where what is wrong is told to. */
export interface Report {
  add(fault: string): void;
  /** A setting with the place its value is from: `port (TICKWIRE_PORT)`, `port (gateway.yaml:3)`. */
  named(name: string): string;
}

/** What is wrong with a value by itself, to be said after the setting's name; null: nothing. */
export function faultOf(setting: Setting, value: number | string): string | null {
  if (typeof value === 'number') {
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = setting;
    const fits = Number.isInteger(value) && value >= min && value <= max;
    return fits ? null : `is ${value}, not an integer from ${min} to ${max}`;
  }
  const { choices, pattern, unfit } = setting;
  if (choices !== undefined && !choices.includes(value)) {
    return `is ${JSON.stringify(value.slice(0, 100))}, not one of ${choices.join(', ')}`;
  }
  return pattern === undefined || pattern.test(value) ? null : `${unfit}`;
}

/** The entries of a setting that is a list. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
