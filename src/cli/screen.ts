// Owns the terminal while `watch` draws in it: the alternate screen, the cursor, the keys, the pace of redraws.
// The watch command opens it. Invariant: whatever ends the process, the terminal is as it was before.

import type { ScreenSize } from './ladder-view.ts';
import type { Display } from './watch-lines.ts';

/** What `process` offers, as far as it is used. */
export interface Terminal {
  readonly stdin: Pick<NodeJS.ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'off' | 'pause'>;
  readonly stdout: Pick<NodeJS.WriteStream, 'columns' | 'rows' | 'write' | 'writableNeedDrain' | 'on' | 'off'>;
}

export interface ScreenOptions {
  readonly terminal: Terminal;
  /** The picture at this size, lines separated by line feeds. */
  readonly picture: (size: ScreenSize) => string;
  readonly quit: () => void;
  readonly interrupt: () => void;
}

/** 20 redraws a second at most; when nothing changes, ages still grow. */
const REDRAW_INTERVAL_MS = 50;
const QUIET_REDRAWS = 5;

/** Alternate screen, no cursor, no line wrap; and back. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** What is between is shown at once by terminals that know of it. */
const BEGIN = '\x1b[?2026h\x1b[H';
const END = '\x1b[J\x1b[?2026l';
const CLEAR_LINE = '\x1b[2K';

const CTRL_C = '\x03';

export class Screen implements Display {
  private stale = true;
  private quietTicks = 0;
  private open = true;
  private readonly timer: NodeJS.Timeout;
  private readonly leave = (): void => this.end();
  private readonly keys = (data: Buffer): void => this.pressed(data.toString());
  private readonly resized = (): void => {
    this.stale = true;
  };

  constructor(private readonly options: ScreenOptions) {
    const { stdin, stdout } = this.options.terminal;
    stdout.write(ENTER);
    process.once('exit', this.leave);
    stdout.on('resize', this.resized);
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stdin.on('data', this.keys);
    }
    this.timer = setInterval(() => this.tick(), REDRAW_INTERVAL_MS);
    this.draw();
  }

  changed(): void {
    this.stale = true;
  }

  end(): void {
    if (!this.open) return;
    this.open = false;
    clearInterval(this.timer);
    const { stdin, stdout } = this.options.terminal;
    process.off('exit', this.leave);
    stdout.off('resize', this.resized);
    if (stdin.isTTY) {
      stdin.off('data', this.keys);
      stdin.setRawMode(false);
      stdin.pause();
    }
    stdout.write(LEAVE);
  }

  private tick(): void {
    this.quietTicks += 1;
    if (this.stale || this.quietTicks >= QUIET_REDRAWS) this.draw();
  }

  private draw(): void {
    const { stdout } = this.options.terminal;
    // A terminal that is behind gets the next picture, not this one too.
    if (stdout.writableNeedDrain) return;
    this.stale = false;
    this.quietTicks = 0;
    const picture = this.options.picture({ columns: stdout.columns, rows: stdout.rows });
    const lines = picture.split('\n').map((line) => `${CLEAR_LINE}${line}`);
    stdout.write(`${BEGIN}${lines.join('\r\n')}${END}`);
  }

  private pressed(keys: string): void {
    if (keys.includes(CTRL_C)) this.options.interrupt();
    else if (/[qQ]/.test(keys)) this.options.quit();
  }
}
