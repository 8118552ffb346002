// Owns what the tests of access share: access with its files in a folder of its own, on a clock that is moved by hand, and what
// it logged.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { EventLog } from '../../src/gateway/log.ts';
import type { Fault } from '../../src/protocol/errors.ts';
import { Access, type Identity } from '../../src/sessions/access.ts';
import { newKey } from '../../src/sessions/api-keys.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { VirtualTime } from '../feeds/virtual.ts';

export const EVERYTHING = [{ channels: ['*'], symbols: ['*'] }];

export interface Scene {
  readonly access: Access;
  readonly time: VirtualTime;
  /** Lines of the log, as text. */
  readonly log: string[];
  /** How often listeners were told of a change. */
  changes(): number;
}

/** A folder that is gone after the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-access-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file as editors and `tickwire key` do: whole or not at all. */
export function put(path: string, content: unknown): void {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** A document in a file. @returns its path. */
export function documentFile(document: unknown): string {
  const path = join(freshFolder(), 'access.json');
  put(path, document);
  return path;
}

/** Access as a gateway has it, running. */
export function startAccess(overrides: Partial<Settings> = {}): Scene {
  const time = new VirtualTime();
  const log: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => log.push(line) });
  const told = new EventLog(logger, readSettings({}, {}), { clock: time, timers: time });
  const access = new Access({ settings: readSettings(overrides, {}), clock: time, timers: time, log: told });
  let changes = 0;
  access.onChange(() => {
    changes += 1;
  });
  access.start();
  onTestFinished(() => access.stop());
  return { access, time, log, changes: () => changes };
}

/** A key, and its entry for a document. */
export function keyFor(id: string, principal: string, role: string, more: { readonly expires?: string } = {}) {
  const { key, sha256 } = newKey(id);
  return { key, entry: { id, sha256, principal, role, ...more } };
}

/** @throws Error where it was refused. */
export function identityOf(answer: Identity | Fault): Identity {
  if ('code' in answer) throw new Error(`${answer.code}: ${answer.message}`);
  return answer;
}

/** The code of a refusal; who it is where there is none. */
export function outcomeOf(answer: Identity | Fault): string {
  return 'code' in answer ? answer.code : answer.principal;
}
