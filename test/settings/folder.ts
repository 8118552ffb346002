// Owns the settings files that tests write: each in a folder that is gone after the test.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Path of a new file with this content. */
export function fileWith(content: string | Uint8Array, name = 'gateway.yaml'): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-settings-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
