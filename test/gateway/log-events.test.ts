// Holds the catalogue of log events to the code and to docs/logs.md, both ways: what is told is in it, what is in it is told
// somewhere, and the page is what the script writes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logsPage } from '../../scripts/logs-page.ts';
import { LOG_EVENTS, LOG_FIELDS } from '../../src/ports/log-events.ts';

const ROOT = join(import.meta.dirname, '../..');
const CATALOGUE = join('ports', 'log-events.ts');
const page = readFileSync(join(ROOT, 'docs/logs.md'), 'utf8');

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && name !== CATALOGUE)
  .map((name) => ({ name, text: readFileSync(join(ROOT, 'src', name), 'utf8') }));

test('docs/logs.md is what scripts/logs-page.ts writes', () => {
  expect(page).toBe(logsPage());
});

test('the page and the catalogue have the same events, with the same levels', () => {
  const told = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \| (\w+) \|/gm)].map(([, name, level]) => [name, level]);
  expect(told).toEqual(Object.entries(LOG_EVENTS).map(([name, { level }]) => [name, level]));
});

test('every event of the catalogue is told somewhere', () => {
  const silent = Object.keys(LOG_EVENTS).filter((event) => !sources.some(({ text }) => text.includes(`'${event}'`)));
  expect(silent).toEqual([]);
});

test('every field of the catalogue belongs to an event', () => {
  const used = new Set<string>(Object.values(LOG_EVENTS).flatMap(({ fields }): readonly string[] => fields));
  expect(Object.keys(LOG_FIELDS).filter((field) => !used.has(field))).toEqual([]);
});

test('nothing is logged but through the catalogue', () => {
  const around = sources
    .filter(({ name }) => name !== join('gateway', 'log.ts'))
    .filter(({ text }) => /\b(?:logger|log)\.(?:trace|debug|info|warn|error|fatal)\(/.test(text));
  expect(around.map(({ name }) => name)).toEqual([]);
});

test('names are a subject and what happened to it, and no two sentences are the same', () => {
  const names = Object.keys(LOG_EVENTS);
  expect(names.filter((name) => !/^[a-z]+\.[a-z]+(-[a-z]+)*$/.test(name))).toEqual([]);
  const messages = Object.values(LOG_EVENTS).map(({ message }) => message);
  expect(new Set(messages).size).toBe(messages.length);
});
