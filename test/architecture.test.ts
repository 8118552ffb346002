// Holds the shape of the project: who may import whom, how files are named and begin, which words stay out of it, and
// that its dependencies are documented, exact and locked for every platform. Each rule is a pure function from files to
// complaints; the last part of this file breaks each of them on a small made-up tree.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Lockfile, missingPlatforms, repaired } from '../scripts/lockfile.ts';
import { summaryLine } from '../scripts/plain-summary.ts';

interface SourceFile {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}
type Tree = readonly SourceFile[];

interface Import {
  readonly from: string;
  readonly specifier: string;
  /** Path of the imported file; undefined for a package. */
  readonly target: string | undefined;
  readonly kind: 'static' | 'type' | 'dynamic';
}

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: unknown;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

// ---- What the rules hold ----

/** A folder may import those before it. */
const LAYERS = [
  'ports',
  'settings',
  'protocol',
  'market',
  'bus',
  'topics',
  'sessions',
  'gateway',
  'publisher',
  'client',
  'page',
  'feeds',
  'recording',
  'cache',
  'history',
  'jobs',
  'insight',
  'cli',
];
/** Folders that may import less than all those before them. */
const NARROW: Readonly<Record<string, readonly string[]>> = {
  protocol: ['ports', 'settings'],
  market: ['protocol'],
  publisher: ['ports', 'protocol', 'market'],
  client: ['ports', 'protocol', 'market'],
  page: ['client'],
  feeds: ['ports', 'protocol', 'market'],
  recording: ['ports', 'protocol', 'market', 'client', 'feeds'],
};
/** Folders that a browser loads, but for `src/client/node*.ts`. */
const BROWSER_FOLDERS = ['protocol', 'market', 'client', 'page'];
/** What scripts/page.ts bundles. */
const PAGE = 'src/page/page.ts';
const NODE_FILE = /^src\/client\/node[^/]*\.ts$/;
const NODE_PACKAGES = [...builtinModules, 'ws', 'uWebSockets.js', 'pino'];

const BANNED_NAMES = ['util', 'utils', 'helper', 'helpers', 'manager', 'common', 'misc', 'index'];
const INDEX_FILES = ['src/client/index.ts', 'src/publisher/index.ts'];
const FILE_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)?\.ts$/;
const HEAD_LINES_MAX = 6;

/** Put together here, so that this file does not contain them. */
const BANNED_WORDS = [
  ['/wor', 'k/'],
  ['sub', 'agent'],
  ['C', 'EO'],
  ['developers', '.md'],
  ['compass', '.md'],
].map((parts) => parts.join(''));

const EXACT_VERSION = /^(npm:(@[a-z0-9-]+\/)?[a-z0-9.-]+@)?\d+\.\d+\.\d+(-[0-9a-z.-]+)?$/;

// ---- Reading files ----

/** Without comments. Comments within a line begin after a space, which no address and no pattern of paths does. */
function codeOf(text: string): string {
  return text.replace(/(^|\s)\/\*[\s\S]*?\*\//g, '$1').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf({ path, text }: SourceFile): Import[] {
  const code = codeOf(text);
  const found: { specifier: string; kind: Import['kind'] }[] = [];
  for (const [, type, , specifier] of code.matchAll(/^import\s+(type\s)?[^'"`;()]*?\bfrom\s*(['"])(.+?)\2/gm)) {
    found.push({ specifier: specifier!, kind: type === undefined ? 'static' : 'type' });
  }
  for (const [, type, , specifier] of code.matchAll(/^export\s+(type\s+)?[*{][^'"`;()]*?\bfrom\s*(['"])(.+?)\2/gm)) {
    found.push({ specifier: specifier!, kind: type === undefined ? 'static' : 'type' });
  }
  for (const [, , specifier] of code.matchAll(/^import\s*(['"])(.+?)\1/gm)) {
    found.push({ specifier: specifier!, kind: 'static' });
  }
  // The file of a worker is named by `new URL('./worker.js', import.meta.url)`; other addresses are no imports.
  for (const [, , specifier] of code.matchAll(
    /\b(?:import\(|require\(|new URL\((?=.*?\.[jt]s['"]))\s*(['"])(.+?)\1/g,
  )) {
    found.push({ specifier: specifier!, kind: 'dynamic' });
  }
  return found.map(({ specifier, kind }) => ({ from: path, specifier, kind, target: targetOf(path, specifier) }));
}

function targetOf(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
}

/** Of `node:fs/promises` it is `fs`, of `@scope/name/part` it is `@scope/name`. */
function packageOf({ specifier, target }: Import): string | undefined {
  if (target !== undefined) return undefined;
  const words = specifier.replace(/^node:/, '').split('/');
  return specifier.startsWith('@') ? words.slice(0, 2).join('/') : words[0];
}

/** Undefined for what is not in a folder of src/. */
function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\/./.exec(path)?.[1];
}

/** The files that the roots lead to, themselves included. */
function reachableFrom(roots: readonly string[], tree: Tree, follow: (link: Import) => boolean): Set<string> {
  const files = new Map(tree.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = files.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const link of importsOf(file)) {
      if (link.target !== undefined && follow(link)) waiting.push(link.target);
    }
  }
  return reached;
}

// ---- The rules ----

function layerFaults(tree: Tree): string[] {
  const faults: string[] = [];
  for (const file of tree) {
    const folder = folderOf(file.path);
    const layer = LAYERS.indexOf(folder ?? '');
    if (folder === undefined || layer < 0) {
      faults.push(`${file.path} is in no folder of the layout`);
      continue;
    }
    const allowed = [folder, ...(NARROW[folder] ?? LAYERS.slice(0, layer))];
    for (const { target } of importsOf(file)) {
      if (target !== undefined && !allowed.includes(folderOf(target) ?? '')) {
        faults.push(`${file.path} imports ${target}`);
      }
    }
  }
  return faults;
}

function browserFaults(tree: Tree): string[] {
  const roots = tree
    .map((file) => file.path)
    .filter((path) => BROWSER_FOLDERS.includes(folderOf(path) ?? '') && !NODE_FILE.test(path));
  const loaded = reachableFrom(roots, tree, (link) => link.kind === 'static');
  return tree
    .filter((file) => loaded.has(file.path))
    .flatMap(importsOf)
    .filter((link) => NODE_PACKAGES.includes(packageOf(link) ?? ''))
    .map((link) => `${link.from} imports ${link.specifier}`);
}

/** Circles that exist at run time: a type that two files share across one is erased. */
function cycleFaults(tree: Tree): string[] {
  const loaded = (file: Tree[number]) => importsOf(file).filter((link) => link.kind !== 'type');
  const links = new Map(tree.map((file) => [file.path, loaded(file).map((link) => link.target)]));
  const done = new Set<string>();
  const faults: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) faults.push([...trail.slice(start), path].join(' -> '));
    if (start >= 0 || done.has(path)) return;
    for (const target of links.get(path) ?? []) {
      if (target !== undefined) walk(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of links.keys()) walk(path, []);
  return faults;
}

/** Entries that do not exist yet are no fault, and without the command line nothing can be told. */
function orphanFaults(tree: Tree, entries: readonly string[]): string[] {
  const paths = tree.map((file) => file.path);
  if (!paths.includes('src/cli/main.ts')) return [];
  const roots = [...entries, ...paths.filter((path) => folderOf(path) === 'gateway')];
  const reached = reachableFrom(roots, tree, () => true);
  return paths.filter((path) => !reached.has(path)).map((path) => `nothing reaches ${path}`);
}

function bannedNameFaults(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const words = posix.basename(path).toLowerCase().split(/[.-]/);
    return !INDEX_FILES.includes(path) && words.some((word) => BANNED_NAMES.includes(word));
  });
}

function fileNameFaults(paths: readonly string[]): string[] {
  return paths.filter((path) => !FILE_NAME.test(posix.basename(path)));
}

function soleImporterFaults(tree: Tree, name: string): string[] {
  const importers = tree.filter((file) => importsOf(file).some((link) => packageOf(link) === name));
  return importers.length > 1 ? importers.map((file) => `${file.path} imports ${name}`) : [];
}

function environmentFaults(tree: Tree): string[] {
  const reads =
    /\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\[['"]env|\}\s*=\s*process\b|\{[^}]*\benv\b[^}]*\}\s*from\s*'(node:)?process'/;
  const readers = tree.filter((file) => reads.test(codeOf(file.text)));
  return readers.length > 1 ? readers.map((file) => `${file.path} reads the environment`) : [];
}

function headFaults(tree: Tree): string[] {
  return tree.flatMap(({ path, text }) => {
    const lines = text.replace(/^#!.*\n\n?/, '').split('\n');
    const end = lines.findIndex((line) => !line.startsWith('//'));
    const count = end < 0 ? lines.length : end;
    if (count === 0) return [`${path} has no head`];
    return count > HEAD_LINES_MAX ? [`${path} has a head of ${count} lines`] : [];
  });
}

/** Whole words only where a word is short enough to turn up in a checksum. */
function bannedWordFaults(tree: Tree): string[] {
  const patterns = BANNED_WORDS.map((word) => {
    const literal = word.replace('.', '\\.');
    return word.length > 3 ? new RegExp(literal, 'i') : new RegExp(`(?<![\\w+/=])${literal}(?![\\w+/=])`);
  });
  return tree
    .filter(({ path, text }) => patterns.some((pattern) => pattern.test(`/${path}`) || pattern.test(text)))
    .map(({ path }) => path);
}

function documentedNames(page: string, heading: string): string[] {
  const part = page.split(/^## /m).find((section) => section.startsWith(`${heading}\n`)) ?? '';
  return [...part.matchAll(/^- `([^`]+)`: \S/gm)].map(([, name]) => name!);
}

function versionFaults({ dependencies, devDependencies }: Manifest): string[] {
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !EXACT_VERSION.test(version))
    .map(([name, version]) => `${name} ${version}`);
}

/** Source files of what package.json offers: its commands and its exports. */
function entriesOf({ bin, exports }: Pick<Manifest, 'bin' | 'exports'>): string[] {
  const built = JSON.stringify([bin, exports]).matchAll(/"(?:\.\/)?dist\/([^"]+?)(?:\.d\.ts|\.js)"/g);
  return [...new Set([...built].map(([, path]) => `src/${path}.ts`))];
}

// ---- The project as it is ----

const ROOT = new URL('../', import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

function pathsIn(folder: string): string[] {
  if (!existsSync(new URL(folder, ROOT))) return [];
  const names = readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' });
  const paths = names.map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
  return paths.filter((path) => path.endsWith('.ts') && !path.includes('/node_modules/'));
}

/** Everything that is or is about to be tracked; what was unpacked from an archive has no git and is not asked. */
function trackedPaths(): string[] {
  if (!existsSync(new URL('.git', ROOT))) return [];
  const asked = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const answer = execFileSync('git', asked, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  return answer.split('\0').filter((path) => statSync(new URL(path, ROOT), { throwIfNoEntry: false })?.isFile());
}

const sources: Tree = pathsIn('src').map((path) => ({ path, text: read(path) }));
const manifest = JSON.parse(read('package.json')) as Manifest;

describe('the source tree', () => {
  test('a folder imports only what the layout allows it', () => {
    expect(layerFaults(sources)).toEqual([]);
  });
  test('what a browser loads imports nothing of Node', () => {
    expect(browserFaults(sources)).toEqual([]);
  });
  test('no files import each other in a circle', () => {
    expect(cycleFaults(sources)).toEqual([]);
  });
  test('every file is reached from a command, an export or the gateway', () => {
    expect(orphanFaults(sources, [...entriesOf(manifest), PAGE])).toEqual([]);
  });
  test('no file has a name that says nothing', () => {
    expect(bannedNameFaults(['src', 'test', 'scripts'].flatMap(pathsIn))).toEqual([]);
  });
  test('file names are single lower-case words, or two with a hyphen', () => {
    expect(fileNameFaults(pathsIn('src'))).toEqual([]);
  });
  test.each(['uWebSockets.js', 'msgpackr', 'ioredis', 'prom-client'])('only one file imports %s', (name) => {
    expect(soleImporterFaults(sources, name)).toEqual([]);
  });
  test('only one file reads the environment', () => {
    expect(environmentFaults(sources)).toEqual([]);
  });
  test('every file begins with a comment of at most six lines', () => {
    expect(headFaults(sources)).toEqual([]);
  });
});

describe('the repository', () => {
  test('contains none of the banned words', () => {
    expect(bannedWordFaults(trackedPaths().map((path) => ({ path, text: read(path) })))).toEqual([]);
  });
  test('documents every dependency, and no other', () => {
    const page = read('docs/dependencies.md');
    expect(documentedNames(page, 'Run time').sort()).toEqual(Object.keys(manifest.dependencies).sort());
    expect(documentedNames(page, 'Development').sort()).toEqual(Object.keys(manifest.devDependencies).sort());
  });
  test('pins every dependency to one exact version', () => {
    expect(versionFaults(manifest)).toEqual([]);
  });
  test('locks the binaries of every platform, for npm 10 and 11 alike (else: npm run lockfile)', () => {
    const lockfile = JSON.parse(read('package-lock.json')) as Lockfile;
    expect(repaired(lockfile)).toEqual(lockfile);
  });
  test('names no host in the lockfile', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
  });
});

// ---- Each rule, broken ----

/** Files by path, each with its lines of code. */
function made(files: Readonly<Record<string, string>>): Tree {
  return Object.entries(files).map(([path, text]) => ({ path, text }));
}

describe('the rules', () => {
  test('see every form of import, and none in a comment', () => {
    const text = [
      "import a, { type A } from './a.ts';",
      "import type { B } from './b.ts';",
      "import {\n  c,\n  d,\n} from '../market/c.ts';",
      "import './d.ts';",
      "export * from './e.ts';",
      "export type { F } from './f.ts';",
      "const lazy = await import('./g.ts');",
      "const worker = new Worker(new URL('./h.js', import.meta.url));",
      "const page = new URL('../page.html', import.meta.url);",
      "// import x from './x.ts';",
      "/* import('./y.ts') */",
      "export const word = 'from';",
      "import fs from 'node:fs/promises';",
    ].join('\n');
    const links = importsOf({ path: 'src/bus/bus.ts', text });
    expect(links.map((link) => `${link.kind} ${link.target ?? packageOf(link)}`).sort()).toEqual([
      'dynamic src/bus/g.ts',
      'dynamic src/bus/h.ts',
      'static fs',
      'static src/bus/a.ts',
      'static src/bus/d.ts',
      'static src/bus/e.ts',
      'static src/market/c.ts',
      'type src/bus/b.ts',
      'type src/bus/f.ts',
    ]);
  });

  test.each([
    ['topics/topic', '../gateway/server.ts'],
    ['ports/clock', '../settings/settings.ts'],
    ['protocol/frames', '../market/book.ts'],
    ['market/book', '../ports/clock.ts'],
    ['publisher/index', '../bus/bus.ts'],
    ['client/book', '../topics/topic.ts'],
    ['feeds/kraken', '../bus/bus.ts'],
    ['gateway/server', '../client/book.ts'],
    ['insight/page', '../cli/main.ts'],
    ['cli/main', '../../test/oracle.ts'],
  ])('find a layer turned over: src/%s imports %s', (path, specifier) => {
    const tree = made({ [`src/${path}.ts`]: `import type { A } from '${specifier}';` });
    expect(layerFaults(tree)).toEqual([`src/${path}.ts imports ${targetOf(`src/${path}.ts`, specifier)}`]);
  });

  test.each([
    ['cli/main', '../jobs/report.ts'],
    ['gateway/server', '../sessions/pool.ts'],
    ['client/book', '../market/checksum.ts'],
    ['market/book', './checksum.ts'],
  ])('allow what the layout allows: src/%s imports %s', (path, specifier) => {
    expect(layerFaults(made({ [`src/${path}.ts`]: `import { a } from '${specifier}';` }))).toEqual([]);
  });

  test('find a file outside the layout', () => {
    expect(layerFaults(made({ 'src/extra/a.ts': '', 'src/b.ts': '' }))).toEqual([
      'src/extra/a.ts is in no folder of the layout',
      'src/b.ts is in no folder of the layout',
    ]);
  });

  test('find what no browser could load, also behind another file', () => {
    const tree = made({
      'src/client/index.ts':
        "import { now } from '../ports/clock.ts';\nimport type { Socket } from './node-socket.ts';",
      'src/client/book.ts': "import WebSocket from 'ws';",
      'src/client/node-socket.ts': "import WebSocket from 'ws';",
      'src/market/book.ts': "import { crc32 } from 'zlib';",
      'src/ports/clock.ts': "import { performance } from 'node:perf_hooks';",
      'src/ports/file.ts': "import fs from 'node:fs/promises';",
      'src/protocol/codec.ts': "import { unpack } from 'msgpackr';",
    });
    expect(browserFaults(tree)).toEqual([
      'src/client/book.ts imports ws',
      'src/market/book.ts imports zlib',
      'src/ports/clock.ts imports node:perf_hooks',
    ]);
  });

  test('find a circle of files, but not one that a type import closes', () => {
    const tree = made({
      'src/bus/a.ts': "import { b } from './b.ts';",
      'src/bus/b.ts': "import { C } from './c.ts';",
      'src/bus/c.ts': "export * from './a.ts';",
      'src/bus/d.ts': "import { a } from './a.ts';\nimport { e } from './e.ts';",
      'src/bus/e.ts': "import type { D } from './d.ts';",
    });
    expect(cycleFaults(tree)).toEqual(['src/bus/a.ts -> src/bus/b.ts -> src/bus/c.ts -> src/bus/a.ts']);
  });

  test('find a file that nothing reaches', () => {
    const entries = ['src/cli/main.ts', 'src/client/index.ts'];
    const tree = made({
      'src/gateway/server.ts': "import { topic } from '../topics/topic.ts';",
      'src/topics/topic.ts': '',
      'src/topics/forgotten.ts': "import { topic } from './topic.ts';",
    });
    expect(orphanFaults(tree, entries)).toEqual([]);
    expect(orphanFaults([...tree, ...made({ 'src/cli/main.ts': '' })], entries)).toEqual([
      'nothing reaches src/topics/forgotten.ts',
    ]);
  });

  test('take the entries from package.json', () => {
    const exports = { './client': { types: './dist/client/index.d.ts', default: './dist/client/index.js' } };
    expect(entriesOf({ bin: { tickwire: 'dist/cli/main.js' }, exports })).toEqual([
      'src/cli/main.ts',
      'src/client/index.ts',
    ]);
  });

  test('find names that say nothing', () => {
    const good = ['src/client/index.ts', 'src/market/book.ts', 'test/market/book.test.ts'];
    const bad = ['src/market/index.ts', 'src/bus/utils.ts', 'src/bus/bus-manager.ts', 'test/helpers.ts'];
    expect(bannedNameFaults([...good, ...bad])).toEqual(bad);
  });

  test('find names that are no single lower-case word', () => {
    const bad = ['src/bus/redisBus.ts', 'src/bus/redis_bus.ts', 'src/bus/the-redis-bus.ts', 'src/bus/bus.d.ts'];
    expect(fileNameFaults(['src/bus/bus.ts', 'src/bus/redis-bus.ts', ...bad])).toEqual(bad);
  });

  test('find a second importer of a package', () => {
    const one = made({ 'src/gateway/server.ts': "import uws from 'uWebSockets.js';", 'src/gateway/http.ts': '' });
    const two = made({ 'src/gateway/socket.ts': "import type { WebSocket } from 'uWebSockets.js';" });
    expect(soleImporterFaults(one, 'uWebSockets.js')).toEqual([]);
    expect(soleImporterFaults([...one, ...two], 'uWebSockets.js')).toEqual([
      'src/gateway/server.ts imports uWebSockets.js',
      'src/gateway/socket.ts imports uWebSockets.js',
    ]);
  });

  test.each([
    "const port = process.env['PORT'];",
    'const all = { ...process?.env };',
    'const { env } = process;',
    "import { argv, env } from 'node:process';",
  ])('find a second reader of the environment: %s', (code) => {
    const one = made({ 'src/settings/environment.ts': 'process.env;', 'src/bus/bus.ts': '// not process.env' });
    expect(environmentFaults(one)).toEqual([]);
    expect(environmentFaults([...one, ...made({ 'src/cli/main.ts': code })])).toHaveLength(2);
  });

  test('find a file without a head, and one whose head is a page', () => {
    const tree = made({
      'src/bus/a.ts': '// Owns a.\n\nconst a = 1;',
      'src/bus/b.ts': 'const b = 1;\n// Owns b.',
      'src/bus/c.ts': '// c\n'.repeat(7),
      'src/cli/main.ts': '#!/usr/bin/env node\n// Owns the command line.\n',
    });
    expect(headFaults(tree)).toEqual(['src/bus/b.ts has no head', 'src/bus/c.ts has a head of 7 lines']);
  });

  test('find every banned word, in a text and in a path', () => {
    const texts = BANNED_WORDS.map((word, index) => ({ path: `${index}.md`, text: `Ask the ${word} of it.` }));
    const path = { path: `docs/${BANNED_WORDS.at(-1)}`, text: '' };
    const good = { path: 'package-lock.json', text: `sha512-abc${BANNED_WORDS[2]}/def, the framework` };
    expect(bannedWordFaults([...texts, path, good])).toHaveLength(texts.length + 1);
  });

  test('read from the page which dependencies it explains', () => {
    const page = '# Page\n\n## Run time\n\n- `a`: for b.\n- `c`\n\n## Development\n\n- `@d/e`: for f.\n';
    expect(documentedNames(page, 'Run time')).toEqual(['a']);
    expect(documentedNames(page, 'Development')).toEqual(['@d/e']);
  });

  test('find versions that are not exact', () => {
    const dependencies = {
      a: '1.2.3',
      b: 'npm:@c/d@20.51.4',
      e: '1.5.6-r.1',
      f: '^1.2.3',
      g: '~1.2.3',
      h: '1',
      i: '*',
    };
    expect(versionFaults({ bin: {}, exports: {}, dependencies, devDependencies: { j: 'latest' } })).toEqual([
      'f ^1.2.3',
      'g ~1.2.3',
      'h 1',
      'i *',
      'j latest',
    ]);
  });

  test('find platforms that the lockfile lacks, and say what they are', () => {
    const optionalDependencies = {
      '@a/linux-x64-musl': '1.2.3',
      '@a/darwin-arm64': '1.2.3',
      '@a/win32-x64-22': '1.2.3',
    };
    const packages = {
      'node_modules/a': { version: '1.2.3', dev: true, engines: { node: '>=18' }, optionalDependencies },
      'node_modules/@a/darwin-arm64': { version: '1.2.3' },
    };
    expect(missingPlatforms({ packages })).toEqual({
      'node_modules/@a/linux-x64-musl': {
        version: '1.2.3',
        cpu: ['x64'],
        dev: true,
        optional: true,
        os: ['linux'],
        engines: { node: '>=18' },
      },
      'node_modules/@a/win32-x64-22': {
        version: '1.2.3',
        cpu: ['x64'],
        dev: true,
        optional: true,
        os: ['win32'],
        engines: { node: '>=22.0.0 <23.0.0' },
      },
    });
  });

  test('leave out what npm 10 would take out of the lockfile', () => {
    const musl = { version: '1.2.3', cpu: ['x64'], optional: true, os: ['linux'] };
    const packages = { 'node_modules/@a/linux-x64-musl': { ...musl, libc: ['musl'] } };
    expect(repaired({ packages })).toEqual({ packages: { 'node_modules/@a/linux-x64-musl': musl } });
  });

  test('lock a second version of a platform package beside its owner', () => {
    const nested = 'node_modules/b/node_modules/a';
    const packages = {
      [nested]: { version: '2.0.0', optionalDependencies: { '@a/linux-x64': '2.0.0' } },
      'node_modules/@a/linux-x64': { version: '1.2.3' },
    };
    expect(Object.keys(missingPlatforms({ packages }))).toEqual([`${nested}/node_modules/@a/linux-x64`]);
  });
});

test('the summary of a run is one plain line', () => {
  expect(summaryLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed');
  expect(summaryLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
});
