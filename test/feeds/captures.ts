// Owns where tests find the captures of real exchange traffic. Where they are not at hand it says so in one line and
// gives a recording of the synthetic market instead, so that no test is skipped.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';
import { krakenRecording } from './recording.ts';

export interface KrakenCapture {
  readonly path: string;
  /** Messages in it that carry a checksum. */
  readonly checksums: number;
  readonly real: boolean;
}

const DIRECTORY = process.env.TICKWIRE_CAPTURES ?? resolve(import.meta.dirname, '../../../shared/captures');
const RECORDED_MESSAGES = 2_000;

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Path of a capture, or null where it is not at hand. */
export function capturePath(name: string): string | null {
  const path = join(DIRECTORY, name);
  return existsSync(path) ? path : null;
}

/** Kraken's book capture, or a recording in its place. */
export function krakenCapture(): KrakenCapture {
  const path = capturePath('KRAKEN.ws.50.0');
  if (path !== null) return { path, checksums: 4_269, real: true };
  console.log(`No captures in ${DIRECTORY} (TICKWIRE_CAPTURES): a recording of the synthetic market stands in.`);
  const lines = krakenRecording({ seed: 1, messages: RECORDED_MESSAGES });
  return { path: recordingFile(lines), checksums: RECORDED_MESSAGES, real: false };
}

/** Writes the lines to a file in a folder of its own, until its tests are over. @returns its path. */
export function recordingFile(lines: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-recorded-'));
  folders.push(folder);
  const path = join(folder, 'recording');
  writeFileSync(path, lines.join('\n'));
  return path;
}
