// Holds the files of deploy/haproxy to HAProxy's own reader, which warns as well as refuses. What they do is held by haproxy.test.ts.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { debianTool } from '../debian.ts';

const FOLDER = resolve(import.meta.dirname, '../../deploy/haproxy');
const FIXTURES = resolve(import.meta.dirname, '../gateway/fixtures');
const INSTALL_MS = 300_000;

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-haproxy-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What it says besides its version; empty where it takes the files without a word. */
async function complaints(files: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const { path, env } = await debianTool('haproxy');
  const args = ['-c', ...files.flatMap((file) => ['-f', file])];
  const output = await new Promise<string>((done) => {
    // Its own user and folder are there only where its package was installed.
    execFile(path, args, { env: { ...env, UNPRIVILEGED: '1', ...variables } }, (_, stdout, stderr) =>
      done(stdout + stderr),
    );
  });
  expect(output).toMatch(/Configuration file is valid|\[ALERT\]/);
  return output
    .split('\n')
    .filter((line) => line !== '' && !/^\[NOTICE\]|^Configuration file is valid$/.test(line))
    .join('\n');
}

/** The certificate and its key behind each other, as HAProxy wants them. */
function certificates(): string {
  const file = join(emptyFolder(), 'pair.pem');
  const read = (name: string): string => readFileSync(join(FIXTURES, `first-${name}.pem`), 'utf8');
  writeFileSync(file, read('cert') + read('key'));
  return file;
}

function planted(change: (text: string) => string): string {
  const text = readFileSync(join(FOLDER, 'haproxy.cfg'), 'utf8');
  expect(change(text)).not.toBe(text);
  const file = join(emptyFolder(), 'haproxy.cfg');
  writeFileSync(file, change(text));
  return file;
}

test(
  'HAProxy takes the configuration without a warning',
  async () => {
    expect(await complaints([join(FOLDER, 'haproxy.cfg')])).toBe('');
  },
  INSTALL_MS,
);

test('HAProxy takes it with TLS without a warning, but not without a certificate', async () => {
  const both = [join(FOLDER, 'haproxy.cfg'), join(FOLDER, 'tls.cfg')];
  expect(await complaints(both, { CERTIFICATES: certificates() })).toBe('');
  expect(await complaints(both, { CERTIFICATES: join(emptyFolder(), 'none.pem') })).toMatch(/unable to stat/);
});

test.each<[string, (text: string) => string, RegExp]>([
  ['an unknown word', (text) => text.replace('balance leastconn', 'balance leastcon'), /only supports/],
  ['a word in the wrong place', (text) => text.replace(/^ {4}bind .*$/m, '    balance roundrobin'), /\[WARNING\]/],
  ['a time that is missing', (text) => text.replace(/ {4}timeout client 30s\n/, ''), /\[WARNING\].*missing timeouts/],
  [
    'a backend that is not there',
    (text) => text.replace('default_backend gateways', 'default_backend gateway'),
    /unable to find/,
  ],
])('%s is found', async (_, plant, fault) => {
  expect(await complaints([planted(plant)])).toMatch(fault);
});
