// Owns reading a settings file: YAML 1.2, and with it JSON, one mapping from the settings' names to their values. What gathers the
// settings calls it. Invariant: whatever the file holds, it is read in bounded time and memory, and each fault names its line.

import { readFileSync, statSync } from 'node:fs';
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  Parser,
} from 'yaml';
import { nearest } from './nearest.ts';
import type { Setting } from './setting.ts';
import type { Given } from './sources.ts';

export interface FileReading {
  readonly entries: ReadonlyMap<string, Given>;
  /** Each begins with the file, or names it behind the setting. */
  readonly faults: readonly string[];
}

const FILE_BYTES_MAX = 1_048_576;
/** Nobody reads on; the rest is counted. */
const FAULTS_MAX = 50;
/** A list in a mapping is all that there is to nest. */
const DEPTH_MAX = 32;
/** Words, signs, line breaks, comments: bounds the time that it takes to about a second. */
const LEXEMES_MAX = 50_000;

/** Whatever is wrong is told in `faults`; the entries are those that are of their setting's kind. */
export function readSettingsFile(path: string, table: Readonly<Record<string, Setting>>): FileReading {
  const text = textOf(path);
  if ('fault' in text) return { entries: new Map(), faults: [`${path}: ${text.fault}`] };
  const reading = new Reading(path, table, text.text);
  reading.read();
  return { entries: reading.entries, faults: reading.faults };
}

function textOf(path: string): { readonly text: string } | { readonly fault: string } {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { fault: 'it is not a file' };
    if (stat.size > FILE_BYTES_MAX) return { fault: `it has ${stat.size} bytes, at most ${FILE_BYTES_MAX}` };
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)) };
  } catch (error) {
    if (error instanceof TypeError) return { fault: 'it is not UTF-8' };
    return { fault: `it can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}` };
  }
}

class Reading {
  readonly entries = new Map<string, Given>();
  readonly faults: string[] = [];
  private readonly lines = new LineCounter();
  private readonly seen = new Map<string, number>();
  private unsaid = 0;
  private isBroken = false;
  /** Why it was not read to its end. */
  private excess: string | null = null;

  constructor(
    private readonly path: string,
    private readonly table: Readonly<Record<string, Setting>>,
    private readonly text: string,
  ) {}

  read(): void {
    const document = this.parse();
    if (document === null) return this.complain(`${this.path}: ${this.excess}`);
    for (const { message, pos } of [...document.errors, ...document.warnings]) {
      // What it quotes from the file may be a secret.
      const said = message.split('\n')[0]!.replace(/(?<=\w): .*|,? ['"`].*/, '');
      this.complain(`${this.path}:${this.lineAt(pos[0])}: ${said}`);
    }
    this.isBroken = this.faults.length > 0;
    const { contents } = document;
    if (isMap(contents)) for (const pair of contents.items) this.take(pair);
    else if (contents !== null && !(isScalar(contents) && contents.value === null)) {
      this.complain(`${this.path} is not a mapping such as "port: 9001"`);
    }
    if (this.unsaid > 0) this.faults.push(`${this.path}: and ${this.unsaid} more`);
  }

  /** Null where it is too much. */
  private parse(): Document | null {
    // Duplicate keys are looked for here: the composer would compare each with all.
    const composer = new Composer({ uniqueKeys: false });
    const documents = [...composer.compose(this.shallow(), true, this.text.length)];
    const [document, second] = documents;
    if (this.excess !== null || document === undefined) return null;
    if (second !== undefined) this.complain(`${this.path}:${this.lineAt(second.range[0])}: a second document begins`);
    return document;
  }

  /** The parser's tokens, until they are too many or nested too deep: what composes them calls itself for each level. */
  private *shallow(): Generator<CST.Token> {
    const parser = new Parser(this.lines.addNewLine);
    this.lines.addNewLine(0);
    let count = 0;
    for (const lexeme of new Lexer().lex(this.text)) {
      yield* parser.next(lexeme);
      count += 1;
      if (parser.stack.length > DEPTH_MAX) this.excess = 'it is nested too deep';
      if (count > LEXEMES_MAX) this.excess = `it is made of more than ${LEXEMES_MAX} words and signs`;
      if (this.excess !== null) return;
    }
    yield* parser.end();
  }

  private take({ key, value }: Pair<unknown, unknown>): void {
    const line = this.lineAt(startOf(key));
    const place = `${this.path}:${line}`;
    if (!isScalar(key) || typeof key.value !== 'string')
      return this.complain(`${place}: a key is not a setting's name`);
    const name = key.value;
    const before = this.seen.get(name);
    if (before !== undefined)
      return this.complain(`${name.slice(0, 60)} (${place}) is there already, in line ${before}`);
    this.seen.set(name, line);
    // It says what the file is checked with, to editors.
    if (name === '$schema') return;
    const setting = Object.hasOwn(this.table, name) ? this.table[name] : undefined;
    if (setting === undefined) return this.complain(`${place}: ${this.unknown(name)}`);
    const read = readValue(value, setting);
    if (typeof read === 'object') this.complain(`${name} (${place}) ${read.fault}`);
    else this.entries.set(name, { value: read, from: 'file', place });
  }

  private unknown(name: string): string {
    const shown = JSON.stringify(name.slice(0, 60));
    // Where the file is broken, a key may be the rest of a value, and a secret.
    if (this.isBroken) return 'a key is no setting';
    // Past that it is not told, and not worth the search.
    if (this.faults.length >= FAULTS_MAX) return shown;
    const byVariable = Object.keys(this.table).find((each) => this.table[each]!.env === name);
    const meant = byVariable ?? nearest(name, Object.keys(this.table));
    return `${shown} is no setting${meant === null ? '; tickwire config print names all' : `; is ${meant} meant?`}`;
  }

  private complain(fault: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push(fault);
    else this.unsaid += 1;
  }

  private lineAt(offset: number): number {
    return this.lines.linePos(offset).line;
  }
}

/** Text, or a whole number, whichever the setting is; a list as its text. */
function readValue(node: unknown, setting: Setting): number | string | { readonly fault: string } {
  const wantsText = typeof setting.default === 'string';
  const wanted = wantsText ? 'text' : 'a whole number';
  if (isAlias(node)) return { fault: 'is an alias: write the value itself' };
  if (isSeq(node)) {
    return setting.list === true ? listText(node.items) : { fault: `is a list, not ${wanted}` };
  }
  if (!isScalar(node) && node !== null) return { fault: `is a mapping, not ${wanted}` };
  const value = node === null ? null : node.value;
  if (typeof value === typeof setting.default) return value as number | string;
  if (value === null) return { fault: `is empty: leave it out${wantsText ? ", or write ''" : ''}` };
  if (wantsText) return { fault: `is a ${typeof value}, not text: put it in quotes` };
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return { fault: `is ${shown}, not a whole number` };
}

function listText(items: readonly unknown[]): string | { readonly fault: string } {
  const texts: string[] = [];
  for (const [i, item] of items.entries()) {
    const text = isScalar(item) ? item.value : null;
    if (typeof text !== 'string') return { fault: `has an entry ${i + 1} that is not text` };
    if (text.includes(',')) return { fault: `has an entry ${i + 1} with a comma: write two` };
    texts.push(text);
  }
  return texts.join(',');
}

function startOf(node: unknown): number {
  const range = typeof node === 'object' && node !== null ? (node as { range?: readonly number[] | null }).range : null;
  return range?.[0] ?? 0;
}
