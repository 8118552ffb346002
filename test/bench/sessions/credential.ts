// Owns the API key of the crowd: a document that grants it everything, in a folder of its own, which the measured gateways read.
// processes.ts makes one a part. Invariant: the folder is gone when the part is over.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newKey } from '../../../src/sessions/api-keys.ts';

const CONNECTIONS_MAX = 1_000_000;

export class CrowdKey {
  readonly credential: string;
  /** For the setting. */
  readonly accessFile: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'tickwire-bench-'));

  constructor() {
    const { key, sha256 } = newKey('bench');
    this.credential = key;
    this.accessFile = join(this.folder, 'access.json');
    const subscribe = [{ channels: ['*'], symbols: ['*'] }];
    const roles = { crowd: { subscribe, connections: CONNECTIONS_MAX } };
    const keys = [{ id: 'bench', sha256, principal: 'bench', role: 'crowd' }];
    writeFileSync(this.accessFile, JSON.stringify({ roles, anonymous: 'crowd', keys }));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
