// Owns a Python that has a client of Redis, for the examples in Python: the one that is there, or an environment of its own, made once
// in .cache. Called by the tests of examples. Invariant: what is returned imports both packages; where it can't be had the reason is
// one sentence.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PYTHON = process.env.TICKWIRE_PYTHON ?? 'python3';
const PACKAGES = ['redis', 'msgpack'];
const CACHE = resolve(import.meta.dirname, '../../.cache');
const INSTALL_MS_MAX = 120_000;

/** The program, or why there is none. */
export async function pythonWithRedis(): Promise<{ path: string } | { missing: string }> {
  if (!(await works(PYTHON, 'import sys; sys.exit(sys.version_info < (3, 9))')))
    return { missing: `there is no Python 3.9 or later as ${PYTHON} (TICKWIRE_PYTHON)` };
  const own = join(CACHE, 'python');
  for (const path of [PYTHON, join(own, 'bin/python')]) {
    if (await works(path, `import ${PACKAGES}`)) return { path };
  }
  const making = `${own}-${process.pid}`;
  try {
    mkdirSync(CACHE, { recursive: true });
    await run(PYTHON, ['-m', 'venv', making], { timeout: INSTALL_MS_MAX });
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '0', ...PACKAGES];
    await run(join(making, 'bin/python'), install, { timeout: INSTALL_MS_MAX });
    // In one step, so that nobody finds half of it; another process may have been faster.
    if (!existsSync(own)) renameSync(making, own);
    return { path: join(own, 'bin/python') };
  } catch {
    return { missing: `${PYTHON} has no packages ${PACKAGES.join(' and ')}, and pip can't install them` };
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

async function works(path: string, program: string): Promise<boolean> {
  return run(path, ['-c', program]).then(
    () => true,
    () => false,
  );
}
