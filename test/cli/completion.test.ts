// Holds completion to the commands as they are, and its scripts to real shells: bash always, zsh and fish where they are.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { freshPath } from '../recording/market.ts';
import { run } from './command.ts';
import { startDemo } from './gateway.ts';
import { ensureBuilt } from './process.ts';

/** Several processes one after the other, on a machine that may be busy. */
const SLOW_MS = 120_000;
const NOWHERE = ['--url', '127.0.0.1:1'];

async function asked(...words: readonly string[]): Promise<{ values: string[]; rule: string }> {
  const { code, stdout, stderr } = await run(['complete', '--', ...words]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  const rule = lines.pop()!;
  for (const line of lines) expect(line).toMatch(/^[^\t\n]+\t[^\t\n]*$/);
  return { values: lines.map((line) => line.split('\t')[0]!), rule };
}

describe('the last word', () => {
  test('is a command, each with what it does', async () => {
    const { values } = await asked('');
    expect(values).toEqual(expect.arrayContaining(['serve', 'watch', 'record', 'replay', 'completion']));
    expect(values).not.toContain('complete');
    expect(await asked('re')).toEqual({ values: ['record', 'replay'], rule: ':words' });
    expect((await run(['complete', '--', 'rec'])).stdout).toBe('record\trecord a gateway into a file\n:words\n');
  });

  test('is an option of its command that is not there yet', async () => {
    const { values } = await asked('record', '--out', 'x', '--');
    expect(values).toEqual(expect.arrayContaining(['--url', '--symbols', '--channels', '--duration']));
    expect(values).not.toContain('--out');
    expect(await asked('record', '--', '--')).toEqual({ values: [], rule: ':words' });
    expect((await asked('serve', '--feed', 'kraken:BTC/USD', '--fe')).values).toEqual(['--feed', '--feed-url']);
  });

  test.each<readonly [words: readonly string[], values: readonly string[], rule: string]>([
    [['replay', '--venue', 'kr'], ['kraken'], ':words'],
    [['replay', '--venue=kr'], ['--venue=kraken'], ':words'],
    [['replay', '--loop', '--speed', ''], ['max', '1', '10', '100'], ':words'],
    [['record', '--channels', 'tr'], ['trade'], ':open'],
    [['record', '--channels', 'book,t'], ['book,trade'], ':open'],
    [['record', '--channels', 'book,trade,'], ['book,trade,quote', 'book,trade,status'], ':open'],
    [['record', '--channels=book,s'], ['--channels=book,status'], ':open'],
    [['serve', '--feed', 'kr'], ['kraken:'], ':open'],
    [['watch', 'A', '--depth', '5'], ['5', '50'], ':words'],
    [['completion', ''], ['bash', 'zsh', 'fish'], ':words'],
    [['replay', ''], [], ':files'],
    [['replay', 'one', 'tw'], [], ':files'],
    [['serve', '--instruments', ''], [], ':files'],
    [['record', '--out', 'x'], [], ':files'],
    [['record', '--duration', '1'], [], ':words'],
    [['nonsense', '--what', ''], [], ':words'],
    [['watch', ...NOWHERE, ''], [], ':words'],
    [['watch', '--url', 'not an address', ''], [], ':words'],
  ])('of %j can be %j', async (words, values, rule) => {
    const answer = await asked(...words);
    expect({ ...answer, values: words[0] === 'nonsense' ? [] : answer.values }).toEqual({ values, rule });
  });

  test('is a symbol of the gateway that the line names', async () => {
    const { gateway } = await startDemo();
    const url = ['--url', gateway.url];
    expect(await asked('watch', ...url, 'BTC')).toEqual({ values: ['BTC-USD'], rule: ':words' });
    expect((await asked('record', ...url, '--symbols', 'BTC-USD,E')).values).toEqual([
      'BTC-USD,ETH-USD',
      'BTC-USD,EUR-USD',
    ]);
    expect((await asked('watch', `--url=${gateway.url}`, 'ETH')).values).toEqual(['ETH-USD']);
    const { stdout } = await run(['complete', '--', 'watch', 'SOL'], { TICKWIRE_URL: gateway.url });
    expect(stdout).toBe('SOL-USD\t\n:words\n');
  });
});

describe('the script', () => {
  beforeAll(() => {
    ensureBuilt();
  }, SLOW_MS);

  /** An environment in which `tickwire` is the built command. */
  function environment(): NodeJS.ProcessEnv {
    const link = freshPath('tickwire');
    symlinkSync(resolve(import.meta.dirname, '../../dist/cli/main.js'), link);
    return { ...process.env, PATH: [dirname(link), dirname(process.execPath), process.env.PATH].join(delimiter) };
  }

  /** What bash would offer for each line of words, which are cut as bash cuts them. */
  function bash(...lines: readonly (readonly string[])[]): string[][] {
    const ask = `COMP_CWORD=$#; COMP_WORDS=(tickwire "$@"); _tickwire tickwire "" ""
      echo "\${#COMPREPLY[@]} \${COMPREPLY[*]}"`;
    const asked = lines.map((words) => `ask ${words.map((word) => `'${word}'`).join(' ')}`);
    const script = ['source <(tickwire completion bash)', `ask() { ${ask}; }`, ...asked].join('\n');
    const said = execFileSync('bash', ['--norc', '-c', script], { env: environment(), encoding: 'utf8' });
    return said
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ').slice(1, 1 + Number(line.split(' ')[0])));
  }

  test(
    'for bash offers commands, options, values, and behind a cut only what follows it; it runs nothing of what was typed',
    () => {
      const victim = freshPath('victim');
      const hostile = ['watch', `$(touch ${victim})`, `\`touch ${victim}\``, ';', 'touch', victim, ''];
      const [commands, options, values, all, listed, files] = bash(
        ['re'],
        ['record', '--dur'],
        ['replay', '--venue', '=', 'kra'],
        ['replay', '--venue', '='],
        ['record', '--channels', 'book,t'],
        ['replay', 'some'],
        hostile,
      );
      expect(commands).toEqual(['record', 'replay']);
      expect(options).toEqual(['--duration']);
      expect(values).toEqual(['kraken']);
      expect(all).toContain('kraken');
      expect(listed).toEqual(['book,trade']);
      expect(files).toEqual([]);
      expect(existsSync(victim)).toBe(false);
    },
    SLOW_MS,
  );

  test.each(['bash', 'zsh', 'fish'])('for %s is one that this shell can read, where it is installed', async (shell) => {
    if (spawnSync(shell, ['-c', 'true']).error !== undefined) {
      console.log(`There is no ${shell} here: its completion script is not read by it.`);
      return;
    }
    const { stdout: input } = await run(['completion', shell]);
    const { status, stderr } = spawnSync(shell, ['-n'], { input, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('of a shell that there is none for is refused with those that there are', async () => {
    const { code, stderr } = await run(['completion', 'tcsh']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/Allowed choices are bash, zsh, fish/);
  });
});
