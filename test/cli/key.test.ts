// Holds `tickwire key` to its word: keys that a gateway takes, entries that its document takes, a document that is replaced whole
// or not at all, and a key that stands nowhere but on stdout.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hashKey, newKey } from '../../src/sessions/api-keys.ts';
import { documentFile, EVERYTHING, identityOf, outcomeOf, put, startAccess } from '../sessions/access-scene.ts';
import { run } from './command.ts';

const ROLES = { trader: { subscribe: EVERYTHING } };
const WHO = ['--role', 'trader', '--principal', 'desk-a'];

interface Made {
  readonly key: string;
  readonly entry: Readonly<Record<string, unknown>>;
}

async function make(...args: readonly string[]): Promise<Made> {
  const { code, stdout, stderr } = await run(['key', 'new', ...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Made;
}

describe('a new key', () => {
  test('is printed with the entry that the document needs, and a gateway takes it', async () => {
    const { code, stdout } = await run(['key', 'new', ...WHO, '--id', 'desk-a-1', '--expires', '2099-01-01']);
    expect(code).toBe(0);
    const [, key, entry] = /shown this once:\n\n {2}(\S+)\n\nIts entry, for the list "keys" .*:\n\n {2}(.*)\n$/.exec(
      stdout,
    )!;
    expect(JSON.parse(entry!)).toEqual({
      id: 'desk-a-1',
      sha256: hashKey(key!),
      principal: 'desk-a',
      role: 'trader',
      expires: '2099-01-01',
    });
    const { access } = startAccess({ accessFile: documentFile({ roles: ROLES, keys: [JSON.parse(entry!)] }) });
    expect(identityOf(await access.authenticate(key!))).toMatchObject({ principal: 'desk-a', via: 'key' });
  });

  test('has an id made of its principal, another each time', async () => {
    const [one, other] = [
      await make(...WHO),
      await make('--role', 'trader', '--principal', 'Desk B / London, floor no. 27'),
    ];
    expect(one.entry.id).toMatch(/^desk-a-[0-9a-f]{6}$/);
    expect(one.key).toContain(`tw_${one.entry.id}_`);
    expect(other.entry.id).toMatch(/^Desk-B-London-floor-no-2-[0-9a-f]{6}$/);
    expect((await make(...WHO)).entry.id).not.toBe(one.entry.id);
  });

  test('is put into a document, which keeps the rest, its mode and its links; a running gateway takes it', async () => {
    const first = newKey('first');
    const entry = { id: 'first', sha256: first.sha256, principal: 'desk-0', role: 'trader' };
    const document = { roles: { ...ROLES, other: {} }, anonymous: 'other', keys: [entry] };
    const path = documentFile(document);
    chmodSync(path, 0o640);
    const link = join(dirname(path), 'link.json');
    symlinkSync(path, link);
    const { access, time } = startAccess({ accessFile: link });
    const { code, stdout } = await run(['key', 'new', ...WHO, '--file', link]);
    expect(code).toBe(0);
    const [, key] = /^The key, shown this once:\n\n {2}(\S+)\n\nIts entry is in .*link\.json/.exec(stdout)!;
    const after = JSON.parse(readFileSync(path, 'utf8')) as typeof document;
    expect(after).toEqual({ ...document, keys: [entry, expect.objectContaining({ sha256: hashKey(key!) })] });
    expect(readFileSync(path, 'utf8')).not.toContain(key!.slice(-43));
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readdirSync(dirname(path)).sort()).toEqual(['access.json', 'link.json']);
    await time.advance(1_000);
    expect(outcomeOf(await access.authenticate(key!))).toBe('desk-a');
    expect(outcomeOf(await access.authenticate(first.key))).toBe('desk-0');
  });

  test('makes the list of keys where there is none', async () => {
    const path = documentFile({ roles: ROLES });
    const { entry } = await make(...WHO, '--file', path);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ roles: ROLES, keys: [entry] });
  });
});

describe('a document is left as it is', () => {
  test.each<readonly [why: string, content: unknown, args: readonly string[], reason: RegExp]>([
    ['the role is not in it', { roles: {} }, WHO, /keys\.0\.role: there is no role "trader"/],
    ['it has faults already', { roles: { ...ROLES, bad: 7 } }, WHO, /roles\.bad: must be object/],
    ['it is no JSON', '{', WHO, /it is not JSON/],
    [
      'the id is there already',
      { roles: ROLES, keys: [{ id: 'k', sha256: hashKey('k'), principal: 'p', role: 'trader' }] },
      [...WHO, '--id', 'k'],
      /keys\.1\.id: there is another key k/,
    ],
  ])('where %s, and no key is printed', async (_, content, args, reason) => {
    const path = documentFile('');
    put(path, content);
    const before = readFileSync(path, 'utf8');
    const { code, stdout, stderr } = await run(['key', 'new', ...args, '--file', path]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^tickwire: the access document \S+ would not work, and is left as it is:\n {2}- /);
    expect(stderr).toMatch(reason);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readdirSync(dirname(path))).toEqual(['access.json']);
  });
});

test.each<readonly [args: readonly string[], sentence: RegExp]>([
  [['new'], /required option '--role <name>' not specified/],
  [['new', '--role', 'trader'], /required option '--principal <name>' not specified/],
  [['new', '--role', 'a b', '--principal', 'p'], /'a b' is invalid. Give 1 to 64 of A-Za-z0-9._-/],
  [
    ['new', '--role', 'r', '--principal', 'anonymous'],
    /Give 1 to 128 printable characters, and none of the names taken/,
  ],
  [['new', ...WHO, '--id', 'a_b'], /'a_b' is invalid. Give 1 to 32 of A-Za-z0-9-/],
  [['new', ...WHO, '--expires', '2027-02-30'], /'2027-02-30' is invalid. Give a date such as 2027-01-01/],
  [['new', ...WHO, '--file', '/no/such/file'], /access document can't be read: .*\/no\/such\/file.*--file/],
  [['mint'], /unknown command 'mint'/],
])('tickwire key %j is refused as a misuse', async (args, sentence) => {
  const { code, stdout, stderr } = await run(['key', ...args]);
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^tickwire: [^\n]+\n(\([^\n]+\)\n)*$/);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

describe('the hash of a key', () => {
  /** The command in a process of its own: its standard input is a pipe. */
  async function hashOf(input: string) {
    const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', main, 'key', 'hash'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    child.stdin.end(input);
    const [code] = (await once(child, 'close')) as [number];
    return { code, stdout, stderr };
  }

  test('is that of its entry', async () => {
    const { key, sha256 } = newKey('k');
    expect(await hashOf(`${key}\n`)).toEqual({ code: 0, stdout: `${sha256}\n`, stderr: '' });
  });

  test('is not made of anything else, which is not repeated', async () => {
    const { code, stdout, stderr } = await hashOf('tw_nearly_a_key');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe('tickwire: what came in is no key of the shape tw_<id>_<secret>\n');
  });
});

describe('completion', () => {
  test.each<readonly [words: readonly string[], offers: RegExp]>([
    [['ke'], /^key\t/],
    [['key', ''], /^new\tmake a key\nhash\t[^\n]*\n:words\n$/],
    [['key', 'n'], /^new\tmake a key\n:words\n$/],
    [['key', 'new', '--fi'], /^--file\t/],
    [['key', 'new', '--file', ''], /^:files\n$/],
    [['key', 'new', ''], /--role\t[^\n]*\n--principal\t/],
  ])('of %j knows the command within the command', async (words, offers) => {
    expect((await run(['complete', '--', ...words])).stdout).toMatch(offers);
  });
});
