// Owns what of a value may stand in a log line: secrets taken out, control characters too, and everything cut to a bound. The log asks
// it for each line. Invariant: what comes back is one line's worth of plain text and numbers, whatever went in.

import type { LogSettings } from './log.ts';

/** Room for a sentence with an address in it. */
const TEXT_CHARS_MAX = 500;
const STACK_CHARS_MAX = 3_000;
/** Of lists and counts. */
const ENTRIES_MAX = 60;
/** What is looked through for secrets, so that none is cut in two before it is found. */
const SEARCHED_CHARS_MAX = 8_192;
/** Shorter ones would be found in ordinary words; within URLs and headers they are found by their place. */
const SECRET_CHARS_MIN = 6;
const CENSORED = '***';

/** Secrets by their shape or place. */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer[\s.]+)[^\s"',;]+/gi, `$1${CENSORED}`],
  [/([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]*@/gi, `$1${CENSORED}@`],
  [/\btw_[A-Za-z0-9-]{1,32}_[\w-]+/g, CENSORED],
  [/\beyJ[\w-]{8,}(\.[\w-]*){0,4}/g, CENSORED],
  [/\b1\.[\w-]{1,16}\.[\w-]{1,32}\.[0-9a-z]{1,6}\.[\w-]{24}(\.[\w-]{0,24})?/g, CENSORED],
  [/\b((?:access_)?token|api_?key|credential|pass(?:word|phrase)|secret)=[^\s&"']+/gi, `$1=${CENSORED}`],
];

/** What ends a line, moves a cursor, hides, or turns text around. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** The same, but for the ends of a stack's lines: JSON writes those as two characters. */
const CONTROLS_IN_STACK = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const REPLACED = '\ufffd';

type Plain = string | number | boolean | null | undefined;
type Written = Plain | readonly string[] | Readonly<Record<string, Plain>>;

export class Censor {
  private secrets: readonly string[] = [];
  private known = '';

  constructor(private readonly settings: Omit<LogSettings, 'logLevel' | 'logLinesPerSecMax'>) {}

  /** Copies of a line's fields that may be written. */
  fields(fields: object): Record<string, Written> {
    const written: Record<string, Written> = {};
    for (const [name, value] of Object.entries(fields)) written[name] = this.value(value);
    return written;
  }

  text(text: string, charsMax = TEXT_CHARS_MAX, controls = CONTROLS): string {
    let shown = text.slice(0, SEARCHED_CHARS_MAX);
    for (const secret of this.current()) shown = shown.replaceAll(secret, CENSORED);
    for (const [shape, censored] of SHAPES) shown = shown.replace(shape, censored);
    shown = shown.replace(controls, REPLACED);
    return shown.length <= charsMax ? shown : `${shown.slice(0, charsMax)}…`;
  }

  private value(value: unknown): Written {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value;
    if (value instanceof Error) return this.thrown(value);
    if (Array.isArray(value)) return value.slice(0, ENTRIES_MAX).map((each) => this.text(String(each)));
    if (typeof value !== 'object') return this.text(String(value));
    const entries = Object.entries(value).slice(0, ENTRIES_MAX);
    return Object.fromEntries(entries.map(([name, each]) => [this.text(name), Number(each)]));
  }

  private thrown({ name, message, stack }: Error): Readonly<Record<string, Plain>> {
    const type = this.text(String(name));
    return {
      type,
      message: this.text(String(message)),
      stack: this.text(String(stack), STACK_CHARS_MAX, CONTROLS_IN_STACK),
    };
  }

  /** Those of the settings as they are now: they may be changed while it runs. The longest first, which may hold another. */
  private current(): readonly string[] {
    const { publishToken, adminToken, redisUrl, resumeKeys } = this.settings;
    const known = [publishToken, adminToken, redisUrl, resumeKeys].join('\n');
    if (known === this.known) return this.secrets;
    const found = [publishToken, adminToken, ...passwordsOf(redisUrl), ...resumeKeys.split(/[,:\s]+/)];
    this.secrets = [...new Set([...this.secrets, ...found])]
      .filter((secret) => secret.length >= SECRET_CHARS_MIN)
      .sort((a, b) => b.length - a.length);
    this.known = known;
    return this.secrets;
  }
}

/** As it stands in the URL, and as it is meant. */
function passwordsOf(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const { password } = new URL(url);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
