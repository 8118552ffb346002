// Runs the Python client: over the golden vectors, and against a real gateway. Without a python3 it says so and is skipped;
// TICKWIRE_PYTHON names another one.

import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { delta, gatewayOf, published, snapshot } from '../client/scene.ts';
import { stopAll } from '../gateway/harness.ts';

const FOLDER = fileURLToPath(new URL('../../examples/python/', import.meta.url));
const VECTORS = fileURLToPath(new URL('../../proto/vectors/', import.meta.url));
const PYTHON = process.env.TICKWIRE_PYTHON ?? 'python3';
const ENVIRONMENT = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };

function found(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log(`the Python client is not tested: there is no Python 3.9 or later as ${PYTHON} (TICKWIRE_PYTHON)`);
    return false;
  }
}

function python(script: string, ...args: readonly string[]) {
  return new Promise<{ code: number | string | null | undefined; stdout: string; stderr: string }>((resolve) => {
    execFile(PYTHON, [script, ...args], { cwd: FOLDER, env: ENVIRONMENT }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

afterAll(stopAll);

describe.skipIf(!found())('the Python client', () => {
  test('decodes every golden vector in both codecs, refuses the malformed ones, and holds the books of the sequences', async () => {
    const { code, stdout, stderr } = await python('vectors.py', VECTORS);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^\d{3} frames, \d{3} malformed, \d{3} sequences, \d+ checksums, \d+ requests; 0 failed\n$/);
    expect(code).toBe(0);
  });

  test.each(['msgpack', 'json'])('follows a live book over %s', async (codec) => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'));
    const watching = python('tickwire.py', 'A', '--url', gateway.streamUrl, '--codec', codec, '--updates', '3');
    // It subscribes when it likes; from then on what is published reaches it, until it has seen enough.
    let done = false;
    const ended = watching.finally(() => {
      done = true;
    });
    for (let i = 1; !done; i++) await published(gateway, delta('A', '9.99', String(i)));
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^(A 10\.00 \/ 10\.01, [12] x 1 levels at update \d+\n){3}$/);
  });

  test('says in a line why it can’t', async () => {
    const { code, stderr } = await python('tickwire.py', 'NOPE', '--url', gatewayOf().streamUrl);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire\.py: unknown-symbol: There is no such instrument\. \(NOPE\) GET .*\n$/);
  });
});
