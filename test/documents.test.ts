// Owns the two-way tests of proto/frames.md: what the code has is on the page, and what the page has is in the code.
// Other pages with lists of the code's (metrics, settings) get their tests here too.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { levelHash } from '../src/market/checksum.ts';
import type { Codec } from '../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../src/protocol/codecs.ts';
import { CloseCode, ERRORS } from '../src/protocol/errors.ts';
import {
  CHANNELS,
  DEPTHS,
  END_REASONS,
  FrameType,
  GAP_REASONS,
  GOODBYE_REASONS,
  HEAL_REASONS,
  HEALINGS,
  INSTRUMENT_ACTIONS,
  INTERVALS_MS,
  MODES,
  PACE_REASONS,
  PACES,
  PROTOCOL_VERSION,
  RESET_REASONS,
  SIDES,
  STATUSES,
  SUBPROTOCOLS,
  TRADE_KINDS,
} from '../src/protocol/frames.ts';
import { OPS, readMessage, readRequest } from '../src/protocol/request.ts';
import { bytesOf, utf8Of } from './protocol/golden.ts';

const FOLDER = new URL('../proto/', import.meta.url);
const page = readFileSync(new URL('frames.md', FOLDER), 'utf8');

/** Headings with what is under them, up to the next heading of any level. */
const sections = page
  .split(/^(?=#{1,3} )/m)
  .filter((text) => text.startsWith('#'))
  .map((text) => {
    const [heading = '', ...lines] = text.split('\n');
    return { level: heading.indexOf(' '), title: heading.replace(/^#+ /, ''), text: lines.join('\n') };
  });

function section(title: string): string {
  const found = sections.find((each) => each.title === title);
  if (found === undefined) throw new Error(`frames.md has no section ${title}`);
  return found.text;
}

/** Titles of the third level under one of the second. */
function subtitles(title: string): string[] {
  const start = sections.findIndex((each) => each.level === 2 && each.title === title);
  const rest = sections.slice(start + 1);
  const end = rest.findIndex(({ level }) => level === 2);
  return rest.slice(0, end).map((each) => each.title);
}

/** Cells of all table rows of a text, without the headings of the tables. */
function rows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const isRule = (line: string | undefined) => line !== undefined && /^\|[-|]+\|$/.test(line);
  return lines
    .filter((line, i) => !isRule(line) && !isRule(lines[i + 1]))
    .map((line) =>
      line
        .slice(2, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, inner]) => inner!);
const plain = (text: string): string => text.replaceAll('`', '');

function block(text: string, language: 'hex' | 'json'): string | undefined {
  return new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm').exec(text)?.[1];
}

const frameSections = sections.flatMap(({ title, text }) => {
  const match = /^(\w+) \((\d+)\)$/.exec(title);
  return match === null ? [] : [{ name: match[1]!, number: Number(match[2]), text }];
});

describe('the lists of frames.md are those of the code', () => {
  test('error codes, with their status, message and advice', () => {
    const documented = rows(section('Errors')).map(([code, http, message, action]) => [
      plain(code!),
      { http: Number(http), message: plain(message!), action: plain(action!) },
    ]);
    expect(Object.fromEntries(documented)).toEqual(ERRORS);
    expect(documented).toHaveLength(Object.keys(ERRORS).length);
  });
  test('close codes', () => {
    const documented = rows(section('Close codes')).map(([code, name]) => [plain(name!), Number(code)]);
    expect(Object.fromEntries(documented)).toEqual(CloseCode);
    for (const [, code] of documented)
      expect(code === 1001 || (Number(code) >= 4000 && Number(code) < 5000)).toBe(true);
  });
  test('frame types and their numbers', () => {
    expect(Object.fromEntries(frameSections.map(({ name, number }) => [name, number]))).toEqual(FrameType);
    expect(frameSections).toHaveLength(Object.keys(FrameType).length);
  });
  test('operations', () => {
    expect(subtitles('Requests')).toEqual(OPS);
  });
  test('numbers of enumerations, and names', () => {
    const documented = rows(section('Number tables')).map((cells) => [cells[0], cells.at(-1)!] as const);
    const names = Object.fromEntries(documented.map(([list, cell]) => [list, quoted(cell)]));
    expect(names).toEqual({
      statuses: STATUSES,
      'reset reasons': RESET_REASONS,
      'gap reasons': GAP_REASONS,
      'end reasons': END_REASONS,
      paces: PACES,
      'pace reasons': PACE_REASONS,
      'goodbye reasons': GOODBYE_REASONS,
      healings: HEALINGS,
      'heal reasons': HEAL_REASONS,
      sides: SIDES,
      'trade kinds': TRADE_KINDS,
      'instrument actions': INSTRUMENT_ACTIONS,
      channels: CHANNELS,
      modes: MODES,
    });
    for (const [list, cell] of documented.slice(0, 12)) {
      const numbers = [...cell.matchAll(/(\d+) `/g)].map(([, number]) => Number(number));
      expect(numbers, list).toEqual(numbers.map((_, index) => index));
    }
  });
  test('reasons of a reset', () => {
    const reasons = rows(section('reset (24)')).flatMap(([first]) => (first?.startsWith('`') ? [plain(first)] : []));
    expect(reasons).toEqual(RESET_REASONS);
  });
  test('depths and intervals', () => {
    const [, depths = '', intervals = ''] =
      /Depths that can be asked for are ([^.]*)\. Intervals are rounded up to ([^.]*) ms\./.exec(
        section('Number tables').replaceAll('\n', ' '),
      )!;
    const numbers = (text: string) => [...text.matchAll(/\d+/g)].map(Number);
    expect(numbers(depths)).toEqual(DEPTHS);
    expect(numbers(intervals)).toEqual(INTERVALS_MS);
  });
  test('the version and the subprotocols', () => {
    expect(rows(section('Connection')).flatMap(([name]) => quoted(name!))).toEqual(SUBPROTOCOLS);
    expect(section('welcome (0)')).toContain(`\`${PROTOCOL_VERSION}\``);
  });
});

describe('the examples of frames.md are what the codecs read', () => {
  const decoders = { msgpack: msgpackCodec.decoder(), json: jsonCodec.decoder() };
  const withoutTime = (frames: readonly { type: string }[]) => frames.filter(({ type }) => type !== 'time');
  // Topics are announced where the page explains them, before any data.
  for (const { name, text } of frameSections) {
    test(`of ${name}, the same in both`, () => {
      const frames = decoders.msgpack.decode(bytesOf(block(text, 'hex')!.replace(/\s/g, '')));
      expect(frames.map(({ type }) => type)).toContain(name);
      const json = block(text, 'json');
      expect(decoders.json.decode(utf8Of(json ?? ''))).toEqual(withoutTime(frames));
      expect(json === undefined).toBe(name === 'time');
    });
  }
  for (const op of OPS) {
    test(`of the request ${op}, the same in both`, () => {
      const read = (codec: Codec, message: Uint8Array) =>
        (readMessage(message, codec.binary) as unknown[]).map(readRequest);
      const requests = read(msgpackCodec, bytesOf(block(section(op), 'hex')!.replace(/\s/g, '')));
      expect(requests).toEqual(read(jsonCodec, utf8Of(block(section(op), 'json')!)));
      expect(requests).toMatchObject([{ op }]);
    });
  }
  test('of the first minute', () => {
    const lines = section('In one minute').split('\n');
    const received = lines.filter((line) => line.startsWith('< ')).map((line) => line.slice(2));
    const frames = jsonCodec.decoder().decode(utf8Of(received.join('\n')));
    expect(frames.map(({ type }) => type)).toEqual(['welcome', 'token', 'ack', 'topic', 'quote']);
    const sent = lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2));
    expect(readRequest(JSON.parse(sent[0]!))).toMatchObject({ op: 'subscribe' });
  });
  test('of the checksum', () => {
    const table = rows(section('The checksum'));
    const hashes = table.slice(0, -1).map(([side, , , price, size, hash]) => {
      expect(Number(hash)).toBe(levelHash(side === 'bid' ? 0 : 1, Number(price), Number(size)));
      return Number(hash);
    });
    expect(Number(table.at(-1)!.at(-1)!.replaceAll('*', ''))).toBe(
      hashes.reduce((sum, hash) => sum + hash, 0) % 2 ** 32,
    );
  });
});

describe('the tables of frames.md name the fields that there are', () => {
  const STAMP = ['topic', 'seq', 'fromSeq', 'exchangeUs', 'publishUs', 'gatewayUs'];
  for (const { name, text } of frameSections) {
    if (name === 'time') continue;
    test(`of ${name}`, () => {
      const lines = block(text, 'json')!.trim().split('\n');
      const objects = lines.map((line) => JSON.parse(line) as { type: string });
      const fields = new Set(objects.filter(({ type }) => type === name).flatMap((object) => Object.keys(object)));
      const isData = fields.has('fromSeq');
      for (const field of ['type', ...(isData ? ['channel', 'symbol', ...(name === 'part' ? [] : STAMP)] : [])])
        fields.delete(field);
      const documented = rows(text).flatMap(([number, field = '']) =>
        /^\d+$/.test(number ?? '') ? [quoted(field).at(-1)!] : [],
      );
      // `parts` stands in a book frame only where it is not 0: its example is that of a part.
      if (name === 'book') fields.add('parts');
      expect(documented.sort()).toEqual([...fields].sort());
    });
  }
});

test('every link of frames.md leads somewhere', () => {
  const slug = (title: string) =>
    title
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-');
  const slugs = sections.map(({ title }) => slug(title));
  expect(new Set(slugs).size).toBe(slugs.length);
  const targets = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
  expect(targets.length).toBeGreaterThan(50);
  for (const target of targets) {
    if (target.startsWith('#')) expect(slugs, target).toContain(target.slice(1));
    else expect(existsSync(new URL(target, FOLDER)), target).toBe(true);
  }
});
