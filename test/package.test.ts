// Holds the package to what is in it and to working where it is installed: packed as npm packs it, installed into an empty
// folder, run and imported from there.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from './cli/process.ts';

interface Packed {
  readonly filename: string;
  readonly version: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

const ROOT = resolve(import.meta.dirname, '..');
/** Dependencies may have to be fetched. */
const INSTALL_MS_MAX = 240_000;
/** What npm and the folders of `files` in package.json make of it. */
const TOP_LEVEL = ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json', 'proto'];

const folder = mkdtempSync(join(tmpdir(), 'tickwire-package-'));
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Readonly<Record<string, unknown>>;
};
let packed: Packed;

/** Without what the suite itself runs under: settings of npm and of Tickwire. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_(lifecycle|package|command|execpath)|TICKWIRE_)/i.test(name)),
);

async function run(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  const options = { cwd, env: environment, maxBuffer: 2 ** 26 };
  return (await promisify(execFile)(program, args, options)).stdout;
}

beforeAll(async () => {
  ensureBuilt();
  const [made] = JSON.parse(await run(ROOT, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder));
  packed = made as Packed;
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}\n');
  const quick = ['--prefer-offline', '--no-audit', '--no-fund'];
  await run(folder, 'npm', 'install', ...quick, join(folder, packed.filename));
}, INSTALL_MS_MAX);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package', () => {
  test('has in it what is run, the protocol and what is to be read, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    expect([...new Set(paths.map((path) => path.split('/')[0]!))].sort()).toEqual(TOP_LEVEL);
    const strangers = /(^|\/)(test|src|captures|node_modules|docs)\/|\.test\.|(?<!\.d)\.tsx?$|\.twr$|\.tgz$|\.env/;
    expect(paths.filter((path) => strangers.test(path))).toEqual([]);
    expect(paths).toContain('dist/cli/main.js');
  });

  test('says its version as an installed command', async () => {
    expect(await run(folder, 'npx', '--no-install', 'tickwire', '--version')).toBe(`${packed.version}\n`);
  });

  test('serves the demo from where it is installed', async () => {
    const bin = join(folder, 'node_modules/.bin/tickwire');
    const gateway = spawn(bin, ['serve', '--demo', '--port', '0', '--admin-port', '0', '--json'], {
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(gateway, 'exit');
    try {
      const { url } = JSON.parse(await firstLine(gateway)) as { url: string };
      expect(await (await fetch(`${url}/v1/time`)).json()).toEqual({ timeUs: expect.any(Number) });
    } finally {
      gateway.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
  });

  test.each(Object.keys(manifest.exports).filter((name) => name !== './package.json'))(
    'can be imported by its export %s, and has types for it',
    async (name) => {
      const specifier = `tickwire${name.slice(1)}`;
      const script = `import(${JSON.stringify(specifier)}).then((all) => console.log(JSON.stringify(Object.keys(all))))`;
      const names = JSON.parse(await run(folder, process.execPath, '-e', script)) as string[];
      expect(names.length).toBeGreaterThan(0);
      const { types } = manifest.exports[name] as { types: string };
      expect(packed.files.map(({ path }) => path)).toContain(types.replace(/^\.\//, ''));
    },
  );
});

/** The first whole line on stdout. */
async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of stdout!) {
    text += String(chunk);
    const end = text.indexOf('\n');
    if (end >= 0) return text.slice(0, end);
  }
  throw new Error(`it ended and said ${JSON.stringify(text)}`);
}
