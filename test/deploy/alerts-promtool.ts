// Owns calls of promtool, on the rules as they are and on changed copies. The tests of alerts and dashboards call it.
// Invariant: what it finds wrong is the answer, not an exception; copies are in a folder of their own that is taken away.

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { debianTool } from '../debian.ts';
import { PROMETHEUS } from './alerts-rules.ts';

export interface Verdict {
  readonly ok: boolean;
  /** All that it printed. */
  readonly said: string;
}

export async function promtool(folder: string, ...words: readonly string[]): Promise<Verdict> {
  const { path, env } = await debianTool('promtool');
  return new Promise((resolve, reject) => {
    // A run makes a database for each case: with more garbage left it takes a quarter less of the processor.
    execFile(
      path,
      words,
      { cwd: folder, env: { ...env, GOGC: '800' }, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        // A number is its exit code; anything else means that it did not run.
        if (error !== null && typeof error.code !== 'number') reject(error);
        else resolve({ ok: error === null, said: stdout + stderr });
      },
    );
  });
}

/** Gives `use` a copy of deploy/prometheus that it may change. */
export async function withCopy<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-rules-'));
  try {
    cpSync(fileURLToPath(PROMETHEUS), folder, { recursive: true });
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What promtool says of these expressions' syntax, all at once. */
export function checkExpressions(expressions: readonly string[]): Promise<Verdict> {
  return withCopy((folder) => {
    // Of a name each: rules that say the same twice are a fault of their own.
    const rules = expressions.map((expr, i) => ({ record: `checked:expression:${i}`, expr }));
    writeFileSync(join(folder, 'expressions.yml'), stringify({ groups: [{ name: 'expressions', rules }] }));
    return promtool(folder, 'check', 'rules', 'expressions.yml');
  });
}
