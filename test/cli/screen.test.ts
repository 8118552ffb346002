// Holds the screen to giving the terminal back as it was, to its pace, and to its keys; on a terminal that is made up.

import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Screen, type Terminal } from '../../src/cli/screen.ts';

class FakeInput extends EventEmitter {
  readonly isTTY = true;
  raw = false;
  paused = false;

  setRawMode(raw: boolean): this {
    this.raw = raw;
    return this;
  }

  pause(): this {
    this.paused = true;
    return this;
  }
}

class FakeOutput extends EventEmitter {
  columns = 80;
  rows = 24;
  writableNeedDrain = false;
  written: string[] = [];

  write(text: string): boolean {
    this.written.push(text);
    return true;
  }
}

const stdin = new FakeInput();
const stdout = new FakeOutput();
const quit = vi.fn();
const interrupt = vi.fn();
let screen: Screen;

beforeEach(() => {
  vi.useFakeTimers();
  stdout.written = [];
  const terminal = { stdin, stdout } as unknown as Terminal;
  screen = new Screen({
    terminal,
    picture: ({ columns, rows }) => `${columns} columns\n${rows} rows`,
    quit,
    interrupt,
  });
});

afterEach(() => {
  screen.end();
  vi.useRealTimers();
  vi.clearAllMocks();
});

function drawn(): number {
  return stdout.written.filter((text) => text.includes('columns')).length;
}

describe('the screen', () => {
  test('takes the alternate screen and the keys, and gives them back once', () => {
    expect(stdout.written[0]).toBe('\x1b[?1049h\x1b[?25l\x1b[?7l');
    expect(stdin.raw).toBe(true);
    screen.end();
    screen.end();
    expect(stdout.written.filter((text) => text === '\x1b[?7h\x1b[?25h\x1b[?1049l')).toHaveLength(1);
    expect(stdin).toMatchObject({ raw: false, paused: true });
    expect(stdin.listenerCount('data') + stdout.listenerCount('resize')).toBe(0);
  });

  test('gives them back when the process ends for another reason', () => {
    const leave = process.listeners('exit').at(-1) as () => void;
    leave();
    expect(stdout.written.at(-1)).toBe('\x1b[?7h\x1b[?25h\x1b[?1049l');
  });

  test('draws in place, each line cleared before', () => {
    expect(stdout.written[1]).toBe('\x1b[?2026h\x1b[H\x1b[2K80 columns\r\n\x1b[2K24 rows\x1b[J\x1b[?2026l');
  });

  test('draws twenty times a second at most, and four times when nothing happens', () => {
    for (let ms = 0; ms < 1_000; ms += 5) {
      screen.changed();
      vi.advanceTimersByTime(5);
    }
    expect(drawn()).toBe(1 + 20);
    vi.advanceTimersByTime(1_000);
    expect(drawn()).toBe(1 + 20 + 4);
  });

  test('follows the size of the terminal', () => {
    stdout.columns = 40;
    stdout.emit('resize');
    vi.advanceTimersByTime(50);
    expect(stdout.written.at(-1)).toContain('40 columns');
    stdout.columns = 80;
  });

  test('leaves out pictures for a terminal that is behind', () => {
    stdout.writableNeedDrain = true;
    vi.advanceTimersByTime(1_000);
    expect(drawn()).toBe(1);
    stdout.writableNeedDrain = false;
    vi.advanceTimersByTime(50);
    expect(drawn()).toBe(2);
  });

  test('quits with q, is interrupted with Ctrl-C, and lets other keys be', () => {
    stdin.emit('data', Buffer.from('x'));
    expect(quit).not.toHaveBeenCalled();
    stdin.emit('data', Buffer.from('q'));
    expect(quit).toHaveBeenCalledOnce();
    stdin.emit('data', Buffer.from('\x03'));
    expect(interrupt).toHaveBeenCalledOnce();
  });
});
