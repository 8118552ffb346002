// Owns the figures of the page's own link and the controls that make it bad. The page draws it and hears its controls.
// Invariant: figures are taken over the last second, and nothing is offered that this gateway would refuse.

import type { Client } from '../client/index.ts';
import { element, Slot } from './drawing.ts';
import { bytesPerSec, grouped, milliseconds } from './words.ts';

export interface LinkActions {
  stall(stallMs: number): void;
  cut(): void;
  /** Bytes a second at most; 0: no limit. */
  throttle(bytesMax: number): void;
  pause(paused: boolean): void;
}

const DRAW_MS = 250;
const RATE_MS = 1_000;

interface Mark {
  readonly atMs: number;
  readonly updates: number;
  readonly bytes: number;
}

export class LinkPanel {
  private readonly pauseButton = element('pause', HTMLButtonElement);
  private readonly stalls = [element('stall-short', HTMLButtonElement), element('stall-long', HTMLButtonElement)];
  private readonly throttle = element('throttle', HTMLElement);
  private readonly throttles = [...document.querySelectorAll<HTMLInputElement>('input[name="throttle"]')];
  private readonly roundTrip = Slot.of('round-trip');
  private readonly latency = Slot.of('latency');
  private readonly lag = Slot.of('lag');
  private readonly updatesRate = Slot.of('updates-rate');
  private readonly bytesRate = Slot.of('bytes-rate');
  private readonly merged = Slot.of('merged');
  private marks: Mark[] = [];
  private drawnAtMs = 0;
  private paused = false;

  constructor(private readonly actions: LinkActions) {
    const [short, long] = this.stalls;
    short!.addEventListener('click', () => actions.stall(3_000));
    long!.addEventListener('click', () => actions.stall(10_000));
    element('cut', HTMLButtonElement).addEventListener('click', () => actions.cut());
    this.pauseButton.addEventListener('click', () => this.pause());
    for (const input of this.throttles) input.addEventListener('change', () => actions.throttle(Number(input.value)));
  }

  /** What this gateway lets a client do to itself. */
  allow(stallMsMax: number): void {
    const [short, long] = this.stalls;
    short!.hidden = stallMsMax < 3_000;
    long!.hidden = stallMsMax < 10_000;
    this.throttle.hidden = stallMsMax === 0;
  }

  press(which: 'stall-short' | 'stall-long' | 'cut' | 'pause'): void {
    const button = element(which, HTMLButtonElement);
    if (!button.hidden) button.click();
  }

  nextThrottle(): void {
    if (this.throttle.hidden) return;
    const at = this.throttles.findIndex(({ checked }) => checked);
    this.throttles[(at + 1) % this.throttles.length]?.click();
  }

  draw({ counters, lag }: Client, nowMs: number): void {
    if (nowMs - this.drawnAtMs < DRAW_MS) return;
    this.drawnAtMs = nowMs;
    const { delivered, merged, bytes } = counters;
    const mark = { atMs: nowMs, updates: delivered + merged, bytes };
    this.marks = [...this.marks.filter(({ atMs }) => nowMs - atMs <= RATE_MS), mark];
    const [oldest] = this.marks;
    const spanSec = (nowMs - oldest!.atMs) / 1_000;
    if (spanSec > 0) {
      this.updatesRate.set(`${grouped(Math.round((mark.updates - oldest!.updates) / spanSec))} /s`);
      this.bytesRate.set(bytesPerSec((bytes - oldest!.bytes) / spanSec));
    }
    this.roundTrip.set(milliseconds(lag.roundTripMs));
    this.latency.set(milliseconds(lag.latencyMs));
    this.lag.set(lag.lagMs === null ? 'not at all' : lag.lagMs === 0 ? 'not at all' : milliseconds(lag.lagMs));
    this.merged.set(grouped(merged));
  }

  private pause(): void {
    this.paused = !this.paused;
    this.pauseButton.setAttribute('aria-pressed', String(this.paused));
    this.pauseButton.textContent = this.paused ? 'Go on drawing' : 'Pause drawing';
    this.actions.pause(this.paused);
  }
}
