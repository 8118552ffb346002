// Owns the sentences of the page: what happened to the link and how it healed, and numbers as people read them.
// The story and the panels call it. Invariant: pure functions; a sentence claims only what its arguments say.

import { formatDecimal } from '../client/index.ts';

/** Difference of two mantissas, always with its sign. */
function withSign(mantissa: number, scale: number): string {
  return `${mantissa > 0 ? '+' : ''}${formatDecimal(mantissa, scale)}`;
}

/** More than this is a price near 0, whatever it did. */
const PERCENT_MAX = 10;

/** How a price has moved: in percent, or near and below 0, where percent mean nothing, the difference. */
export function moved(from: number, to: number, scale: number): string {
  const percent = ((to - from) / from) * 100;
  if (from <= 0 || Math.abs(percent) >= PERCENT_MAX) return `${arrow(to - from)} ${withSign(to - from, scale)}`;
  const rounded = Math.round(percent * 100) / 100;
  return `${arrow(rounded)} ${rounded > 0 ? '+' : ''}${rounded.toFixed(2)}%`;
}

function arrow(difference: number): string {
  return difference > 0 ? '▲' : difference < 0 ? '▼' : '·';
}

/** Integers with groups, `1,234,567`. */
export function grouped(count: number): string {
  return count.toLocaleString('en');
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** Seconds with one digit, `3.0 s`. */
function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** Milliseconds as a figure: one digit below ten. */
export function milliseconds(ms: number | null): string {
  if (ms === null) return '–';
  if (ms >= 10_000) return seconds(ms);
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function bytesPerSec(bytes: number): string {
  return bytes < 1_000 ? `${Math.round(bytes)} B/s` : `${(bytes / 1_000).toFixed(bytes < 10_000 ? 1 : 0)} KB/s`;
}

/** How a book was whole again after a silence. */
export interface Recovery {
  readonly silentMs: number;
  /** Updates that the first frame brought together. */
  readonly updates: number;
  /** Whether that frame was a fresh start instead of a difference. */
  readonly fresh: boolean;
}

export function stalling(stallMs: number): string {
  return `Stalling this connection for ${stallMs / 1_000} s. The market goes on without it.`;
}

export function recovered({ silentMs, updates, fresh }: Recovery): string {
  const how = fresh ? 'a fresh snapshot' : `one difference of ${counted(updates, 'update')}`;
  return `Stalled for ${seconds(silentMs)}. Healed by ${how}; the checksum agrees.`;
}

/** One subscription that is whole again after a reconnect, as the client tells it. */
export interface Healed {
  readonly channel: string;
  readonly symbol: string;
  readonly how: 'diffed' | 'replayed' | 'snapshot' | 'current';
  readonly heldSeq: number;
  readonly seq: number;
}

const HOW = {
  diffed: 'by a difference',
  replayed: 'by replay of what was missed',
  snapshot: 'by a fresh start',
  current: 'had missed nothing',
} as const;

export function reconnected(awayMs: number, healed: readonly Healed[]): string {
  const shares = Object.entries(HOW).flatMap(([how, words]) => {
    const count = healed.filter((each) => each.how === how).length;
    return count === 0 ? [] : [`${count} ${words}`];
  });
  const book = healed.find(({ channel, how }) => channel === 'book' && how === 'diffed');
  const proof =
    book === undefined
      ? ''
      : ` ${book.symbol}'s book: one difference of ${counted(book.seq - book.heldSeq, 'update')}; the checksum agrees.`;
  return `Back after ${seconds(awayMs)}. ${counted(healed.length, 'subscription')} healed: ${shares.join(', ')}.${proof}`;
}

export function throttled(bytesMax: number): string {
  return bytesMax === 0 ? 'The throttle is off.' : `Throttled to ${bytesMax / 1_000} KB a second, at this page's wish.`;
}

/** In the place of a figure that this client may not have. */
export const NOT_ALLOWED = '⊘';

const CHANNELS: Readonly<Record<string, string>> = {
  book: 'books',
  quote: 'quotes',
  trade: 'trades',
  status: 'statuses',
};

/** Something that was asked for and may not be had. */
export interface Denied {
  readonly channel: string;
  readonly symbol: string;
}

export function denied(all: readonly Denied[]): string {
  const channels = [...new Set(all.map(({ channel }) => channel))];
  const parts = channels.map((channel) => {
    const symbols = all.filter((each) => each.channel === channel).map(({ symbol }) => symbol);
    return `${CHANNELS[channel] ?? channel} of ${symbols.length === 1 ? symbols[0] : counted(symbols.length, 'symbol')}`;
  });
  return `Not allowed to this client: ${parts.join(', ')}. The page goes on without.`;
}

/** What a book has less of than was asked for; empty where it has all of it. */
export function withheld({ levels, intervalMs }: { levels: number | null; intervalMs: number }): string {
  const parts = [
    ...(levels === null ? [] : [counted(levels, 'level')]),
    ...(intervalMs === 0 ? [] : [intervalMs === 1_000 ? 'once a second' : `every ${intervalMs / 1_000} s`]),
  ];
  return parts.length === 0 ? '' : `As much as this client may have: ${parts.join(', ')}.`;
}

/** Why the gateway does not serve this page, for whoever is at it. */
export function turnedAway({ code, message }: { readonly code: string; readonly message: string }): string {
  return code === 'unauthenticated' ? 'This gateway wants to know who connects.' : message;
}

/** How the gateway says that it answers a topic where the client stood. */
export interface Answered {
  readonly how: 'replayed' | 'diffed' | 'snapshot' | 'other';
  readonly why: string;
}

const ANSWERS = {
  replayed: 'by every update missed',
  diffed: 'by the difference',
  snapshot: 'anew',
  other: 'in another way',
} as const;
const WHY: Readonly<Record<string, string>> = {
  none: 'nothing was held',
  horizon: 'too long ago',
  epoch: 'the market has begun anew',
  future: 'this gateway knows less',
  gap: 'something was lost on the way',
  requested: 'as asked for',
  other: 'for another reason',
};

export function answered(all: readonly Answered[]): string {
  const parts = Object.entries(ANSWERS).flatMap(([how, words]) => {
    const those = all.filter((each) => each.how === how);
    if (those.length === 0) return [];
    const reasons = [...new Set(those.flatMap(({ why }) => WHY[why] ?? []))];
    return [`${those.length} ${words}${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`];
  });
  return `The gateway continues ${counted(all.length, 'subscription')}: ${parts.join(', ')}.`;
}

export function leaving(reconnectMs: number): string {
  return `The gateway is about to stop. The page moves to another connection in ${seconds(reconnectMs)}, and misses nothing.`;
}

const PACE = {
  'real-time': 'real time',
  conflated: 'conflated',
  slower: 'slower',
  top: 'top of book',
  other: 'another pace',
} as const;

/** How a connection is served, in a word or two, and in a sentence. */
export function paceWord(pace: keyof typeof PACE): string {
  return PACE[pace];
}

export function paced(pace: keyof typeof PACE, reason: string): string {
  const why = reason === 'budget' ? 'the bytes a second that it may have' : 'its link';
  switch (pace) {
    case 'real-time':
      return 'Served in real time again.';
    case 'conflated':
      return `Conflated: updates come merged, as fast as ${why} allows.`;
    case 'slower':
      return `Slower: an update a second and subscription at most, for ${why}.`;
    case 'top':
      return `Top of book only, for ${why}.`;
    case 'other':
      return `Served at another pace, for ${why}.`;
  }
}
