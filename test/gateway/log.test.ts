// Holds the log to its promises: one bounded line for each event, no secret in any, floods counted instead of written, levels that
// come back by themselves. On a clock that is moved by hand.

import { closeSync, existsSync, openSync } from 'node:fs';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { EventLog, isLogLevel, openLogger, openStream } from '../../src/gateway/log.ts';
import { logCounters } from '../../src/ports/log-counters.ts';
import { LOG_LEVELS } from '../../src/ports/log-events.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { VirtualTime } from '../feeds/virtual.ts';

type Line = Readonly<Record<string, unknown>>;

interface Scene {
  readonly log: EventLog;
  readonly time: VirtualTime;
  /** What was written, as it was written. */
  readonly texts: string[];
  lines(): Line[];
  events(): unknown[];
}

function open(overrides: Partial<Settings> = {}, level = 'info'): Scene {
  const texts: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      texts.push(chunk);
      done();
    },
  });
  const time = new VirtualTime();
  const logger = openLogger(level, { version: '1.2.3', nodeId: 'abcd' }, stream);
  const log = new EventLog(logger, readSettings(overrides, {}), { clock: time, timers: time });
  const lines = (): Line[] => texts.map((text) => JSON.parse(text) as Line);
  return { log, time, texts, lines, events: () => lines().map(({ event }) => event) };
}

const refused = (log: EventLog, times: number, code = 'busy'): void => {
  for (let i = 0; i < times; i++) log.tell('client.refused', { address: '192.0.2.1', code });
};

describe('a line', () => {
  test('is JSON with its level as a word, the time in ISO 8601, who logs, the event, its fields, and its sentence', () => {
    const { log, texts, lines } = open();
    log.tell('client.closed', { connection: 'c1', address: '192.0.2.1', closeCode: 4001, reason: 'too slow' });
    expect(texts).toHaveLength(1);
    const [{ time, ...line } = expect.fail('no line')] = lines();
    expect(new Date(String(time)).toISOString()).toBe(time);
    expect(line).toEqual({
      ...{ level: 'info', service: 'tickwire', version: '1.2.3', nodeId: 'abcd', event: 'client.closed' },
      ...{ connection: 'c1', address: '192.0.2.1', closeCode: 4001, reason: 'too slow', msg: 'closed a connection' },
    });
  });

  test.each([
    ['line feeds', 'a\nb\r\nc\u2028d\u2029e\u0085f'],
    ['what moves a cursor', '\u001b[2J\u009b31m\u0007\b'],
    ['what turns text around', '\u202eabc\u2066\u200f'],
    ['half a surrogate pair', 'a\ud800b'],
    ['megabytes', 'x'.repeat(3_000_000)],
    ['quotes and braces', '"},{"event":"gateway.stopped"'],
  ])('of a hostile text stays one: %s', (_, text) => {
    const { log, texts, lines } = open();
    log.tell('feed.complaint', { feed: text, url: text, complaint: text });
    expect(texts).toHaveLength(1);
    expect(texts[0]!.length).toBeLessThan(2_500);
    expect(texts[0]!.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(lines()[0]).toMatchObject({ event: 'feed.complaint', level: 'warn' });
  });

  test('of an error has its type, message and stack, bounded; whatever else was thrown is told as text', () => {
    const { log, lines } = open();
    const error = new RangeError(`m\u001b${'x'.repeat(100_000)}`);
    log.tell('internal.error', { error, connection: undefined });
    log.tell('internal.error', { error: 'thrown text', connection: 'c1' });
    const [first, second] = lines() as [{ error: Record<string, string> }, Line];
    expect(Object.keys(first.error)).toEqual(['type', 'message', 'stack']);
    expect(first.error.type).toBe('RangeError');
    expect(first.error.message).toMatch(/^m\ufffdx{498}…$/);
    expect(first.error.stack!.length).toBeLessThanOrEqual(3_001);
    expect(second).toMatchObject({ error: 'thrown text', connection: 'c1', level: 'error' });
  });

  test('of a list or of counts holds so many of them and no more', () => {
    const { log, lines } = open();
    log.tell('settings.kept', { faults: Array.from({ length: 1_000 }, (_, i) => `fault ${i}`) });
    log.tell('market.refused-in-all', { refusals: { crossed: 2, 'off-tick': 1 } });
    const [first, second] = lines() as [{ faults: string[] }, Line];
    expect(first.faults).toHaveLength(60);
    expect(second.refusals).toEqual({ crossed: 2, 'off-tick': 1 });
  });
});

describe('secrets', () => {
  const jwt = `eyJhbGciOiJIUzI1NiJ9.${'c'.repeat(40)}.${'s'.repeat(43)}`;
  const resume = `1.key1.${'a'.repeat(16)}.1.${'n'.repeat(24)}.${'s'.repeat(24)}`;
  test.each([
    ['an API key', `tw_desk-a_${'k'.repeat(43)}`],
    ['a JWT', jwt],
    ['a resume token', resume],
    ['a bearer', 'Authorization: Bearer sesame-open'],
    ['a subprotocol', 'tickwire.bearer.sesame-open'],
    ['a password in a URL', 'redis://user:sesame-open@host:6379'],
    ['a query', 'https://x.example/?a=1&token=sesame-open&b=2'],
  ])('are told by their shape: %s', (_, text) => {
    const { log, texts } = open();
    log.tell('bus.trouble', { reason: `it said ${text} and went` });
    log.tell('internal.error', { error: new Error(text), connection: undefined });
    expect(texts.join('')).toContain('***');
    for (const secret of ['sesame', 'kkkk', 'ssss', 'cccc']) expect(texts.join('')).not.toContain(secret);
    expect(texts[0]).toContain('and went');
  });

  test('of the settings are found wherever they stand, also those that were changed while it runs', () => {
    const settings = {
      ...readSettings({ redisUrl: 'redis://u:p%40ssw0rd-of-redis@h:1', publishToken: 'publish-sesame' }, {}),
      ...{ adminToken: 'admin-sesame-12345', resumeKeys: `k1:${'r'.repeat(43)}` },
    };
    const texts: string[] = [];
    const logger = pino({ level: 'info' }, { write: (text: string) => void texts.push(text) });
    const time = new VirtualTime();
    const log = new EventLog(logger, settings, { clock: time, timers: time });
    const reason = (): string =>
      `<publish-sesame><admin-sesame-12345><p%40ssw0rd-of-redis><p@ssw0rd-of-redis><${'r'.repeat(43)}>`;
    log.tell('bus.trouble', { reason: reason() });
    settings.adminToken = 'another-sesame-6789';
    log.tell('bus.trouble', { reason: `${reason()}<another-sesame-6789>` });
    expect(texts).toHaveLength(2);
    expect(texts[0]).toContain(`"reason":"${'<***>'.repeat(5)}"`);
    expect(texts[1]).toContain(`"reason":"${'<***>'.repeat(6)}"`);
  });

  test('that lie across the end of what is shown are not shown in part', () => {
    const { log, texts } = open({ publishToken: 'publish-sesame-0123456789' });
    log.tell('bus.trouble', { reason: `${'x'.repeat(490)}publish-sesame-0123456789` });
    expect(texts[0]).not.toContain('publish');
  });
});

describe('a flood', () => {
  test('of one event makes so many lines a second, and one that says how many more there were, by code', async () => {
    const { log, time, events, lines } = open();
    const droppedBefore = logCounters.dropped;
    refused(log, 5_000);
    refused(log, 10, 'draining');
    expect(events()).toEqual(Array.from({ length: 20 }, () => 'client.refused'));
    await time.advance(1_000);
    expect(events().slice(20)).toEqual(['log.omitted']);
    expect(lines().at(-1)).toMatchObject({
      level: 'warn',
      omitted: { 'client.refused busy': 4_980, 'client.refused draining': 10 },
    });
    expect(logCounters.dropped - droppedBefore).toBe(4_990);
    await time.advance(10_000);
    refused(log, 1);
    expect(events().slice(21)).toEqual(['client.refused']);
  });

  test('leaves the other events alone', () => {
    const { log, events } = open();
    refused(log, 100);
    log.tell('bus.down', {});
    expect(events().at(-1)).toBe('bus.down');
  });

  test('is written whole where the limit is 0, and to the limit that is set', () => {
    const all = open({ logLinesPerSecMax: 0 });
    refused(all.log, 500);
    expect(all.texts).toHaveLength(500);
    const few = open({ logLinesPerSecMax: 3 });
    refused(few.log, 500);
    expect(few.texts).toHaveLength(3);
  });

  test('of one mistake of ours hides no other, and is said whatever the level is', async () => {
    const { log, time, lines } = open({}, 'fatal');
    log.override('error', null);
    const mistake = (message: string): void =>
      log.tell('internal.error', { error: new Error(message), connection: undefined });
    for (let i = 0; i < 1_000; i++) mistake('frequent');
    mistake('rare');
    expect(lines().at(-1)).toMatchObject({ error: { message: 'rare' } });
    await time.advance(1_000);
    expect(lines().at(-1)).toMatchObject({
      level: 'error',
      event: 'log.omitted',
      omitted: { 'internal.error': 980 },
    });
  });

  test('of mistakes that are all different ends as well', () => {
    const { log, texts } = open();
    for (let i = 0; i < 10_000; i++)
      log.tell('internal.error', { error: new Error(`mistake ${i}`), connection: undefined });
    expect(texts.length).toBeLessThanOrEqual(80);
  });

  test('is summed up at the end, without waiting for the second to pass', () => {
    const { log, events } = open();
    refused(log, 30);
    log.settle();
    expect(events().at(-1)).toBe('log.omitted');
  });
});

test.skipIf(!existsSync('/dev/full'))(
  'a disk that is full ends nothing, and the lines that are lost are counted',
  () => {
    const fd = openSync('/dev/full', 'w');
    const logger = openLogger('info', { version: '1', nodeId: 'a' }, openStream(fd));
    const log = new EventLog(logger, readSettings({ logLinesPerSecMax: 0 }, {}));
    const before = logCounters.dropped;
    for (let i = 0; i < 20; i++) log.tell('bus.trouble', { reason: 'x'.repeat(400) });
    expect(logCounters.dropped - before).toBeGreaterThanOrEqual(20);
    closeSync(fd);
  },
);

describe('the level', () => {
  test('keeps lines out before their fields are looked at, and does not count them', () => {
    const { log, texts } = open();
    const before = { ...logCounters.lines };
    const fields = {
      get connection(): string {
        return expect.fail('it was looked at');
      },
    };
    expect(log.writes('client.left')).toBe(false);
    log.tell('client.left', fields);
    expect([texts, logCounters.lines]).toEqual([[], before]);
    log.tell('gateway.stopped', {});
    expect(logCounters.lines).toEqual({ ...before, info: before.info + 1 });
  });

  test('can be another for a time, and goes back to what the setting is by then', async () => {
    const { log, time, lines } = open();
    log.override('debug', 60_000);
    expect(log.level).toEqual({ level: 'debug', configured: 'info', leftMs: 60_000 });
    log.configure('error');
    expect(log.level).toMatchObject({ level: 'debug', configured: 'error' });
    await time.advance(59_999);
    expect(log.level).toMatchObject({ level: 'debug', leftMs: 1 });
    await time.advance(1);
    expect(log.level).toEqual({ level: 'error', configured: 'error', leftMs: null });
    expect(lines()).toMatchObject([{ event: 'log.level', logLevel: 'debug', forMs: 60_000 }]);
  });

  test('that is asked for without a time stays until the setting is changed', async () => {
    const { log, time } = open();
    log.override('trace', 5_000);
    log.override('debug', null);
    await time.advance(10_000);
    expect(log.level).toEqual({ level: 'debug', configured: 'info', leftMs: null });
    log.configure('warn');
    expect(log.level.level).toBe('warn');
  });

  test('is one of a few words', () => {
    expect(LOG_LEVELS.every(isLogLevel)).toBe(true);
    for (const text of ['verbose', 'INFO', '', 30, null, undefined]) expect(isLogLevel(text)).toBe(false);
  });
});
