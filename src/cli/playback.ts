// Owns `tickwire replay FILE.twr`: a recording of a gateway goes into another as if it came now, at any speed, from any
// moment on. The replay command calls it. Invariant: what it publishes is what was recorded, in its order; what the
// recording lacks is said.

import { paced } from '../feeds/capture.ts';
import { Ingest } from '../feeds/ingest.ts';
import { systemClock, systemTimers } from '../ports/clock.ts';
import { Player, type PlayerCounts } from '../recording/player.ts';
import { RecordingFile } from '../recording/reader.ts';
import { banner } from './banner.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { type GatewayFlags, startWith } from './hosting.ts';
import { aborted, type Interrupt } from './interrupt.ts';
import { type Moment, resolved } from './moments.ts';
import { showProgress } from './progress.ts';
import { firstOfEach } from './serve.ts';

export interface PlaybackOptions extends GatewayFlags {
  readonly speed: number | 'max';
  readonly from?: Moment;
  readonly to?: Moment;
  readonly loop?: boolean;
  readonly serve?: boolean;
  readonly json?: boolean;
  readonly skipDamaged?: boolean;
}

/** @returns the exit code. @throws RecordingError where the file is none, or is damaged and that is not to be skipped. */
export async function playBack(path: string, options: PlaybackOptions, interrupt: Interrupt): Promise<number> {
  const file = await openRecording(path, options);
  try {
    return await play(file, options, interrupt);
  } finally {
    await file.close();
  }
}

/** Says it where the file was not brought to its end. @throws Complaint where there is nothing to play. */
export async function openRecording(path: string, { from, to }: PlaybackOptions): Promise<RecordingFile> {
  const file = await RecordingFile.open(path);
  warnOfCut(file);
  const why = whyNothing(file, from, to);
  if (why === null) return file;
  await file.close();
  throw new Complaint(`${path}: ${why}`);
}

function whyNothing({ contents }: RecordingFile, from: Moment | undefined, to: Moment | undefined): string | null {
  const { records, firstUs, lastUs } = contents;
  if (records === 0) return 'nothing is in it';
  const fromUs = from === undefined ? firstUs : resolved(from, firstUs);
  const toUs = to === undefined ? lastUs : resolved(to, firstUs);
  if (fromUs > lastUs) return `it ends at ${timeOf(lastUs)}, before --from`;
  if (toUs < firstUs) return `it begins at ${timeOf(firstUs)}, after --to`;
  return fromUs > toUs ? '--from is after --to' : null;
}

function timeOf(us: number): string {
  return new Date(us / 1_000).toISOString();
}

function warnOfCut({ path, cutAt, bytesTotal, contents }: RecordingFile): void {
  if (cutAt === null) return;
  const lost = bytesTotal - cutAt;
  const rest = lost === 0 ? '' : `; the last ${lost} bytes can't be used`;
  process.stderr.write(`${path} was not brought to its end: ${contents.blocks} whole blocks are in it${rest}\n`);
}

async function play(file: RecordingFile, options: PlaybackOptions, interrupt: Interrupt): Promise<number> {
  const { loop = false, serve = false, json = false, speed } = options;
  const { gateway, log } = startWith({ ...options, redis: '' });
  let player: Player | null = null;
  const ingest = new Ingest(gateway, firstOfEach(log), {
    restate: (symbol) => player?.book(symbol) ?? null,
    timers: systemTimers,
  });
  const { firstUs } = file.contents;
  const pace =
    speed === 'max' ? 'as fast as possible' : speed === 1 ? 'at its own speed' : `at ${speed} times its speed`;
  try {
    const announcement = banner({
      urls: gateway,
      market: `recorded ${timeOf(firstUs)}, ${pace}${loop ? ', over and over' : ''}`,
      symbols: await symbolsIn(file),
      ending:
        loop || serve
          ? 'Ctrl-C ends it.'
          : 'It ends with the recording; --loop goes on for ever. Ctrl-C ends it before.',
    });
    (json ? process.stderr : process.stdout).write(announcement);
    let counts: PlayerCounts;
    do {
      player = playerOf(file, options);
      counts = await once(player, file, ingest, options, interrupt);
    } while (loop && !interrupt.signal.aborted);
    const interrupted = interrupt.signal.aborted;
    report(file, ingest, counts, { interrupted, json });
    if (serve && !interrupted) await aborted(interrupt.signal);
    // What goes on for ever can only be interrupted.
    return interrupted && !loop ? interrupt.exitCode : ExitCode.done;
  } finally {
    ingest.stop();
    gateway.stop();
  }
}

/** Of the instruments that the recording begins with. */
async function symbolsIn(file: RecordingFile): Promise<string[]> {
  const symbols: string[] = [];
  const player = new Player(file, { fromUs: null, toUs: null, skipDamaged: true });
  for await (const { events } of player.play()) {
    for (const event of events) {
      if (event.kind !== 'instrument') return symbols;
      symbols.push(event.definition.symbol);
    }
  }
  return symbols;
}

/** One way through the recording. */
async function once(
  player: Player,
  file: RecordingFile,
  ingest: Ingest,
  options: PlaybackOptions,
  { signal }: Interrupt,
): Promise<PlayerCounts> {
  const progress = showProgress('replay', file.bytesTotal);
  const pacing = { clock: systemClock, timers: systemTimers, signal, speed: options.speed };
  try {
    for await (const { events, offset } of paced(player.play(), pacing)) {
      await ingest.message(events);
      progress.update(offset);
    }
  } finally {
    progress.stop();
  }
  return player.counts;
}

export function playerOf(file: RecordingFile, { from, to, skipDamaged = false }: PlaybackOptions): Player {
  const { firstUs } = file.contents;
  return new Player(file, {
    fromUs: from === undefined ? null : resolved(from, firstUs),
    toUs: to === undefined ? null : resolved(to, firstUs),
    skipDamaged,
    onDamage: ({ offset, bytes, why }) => {
      if (skipDamaged) process.stderr.write(`passed over ${bytes} bytes at byte ${offset}: ${why}\n`);
    },
  });
}

function report(
  file: RecordingFile,
  ingest: Ingest,
  counts: PlayerCounts,
  { interrupted, json }: { interrupted: boolean; json: boolean },
): void {
  const refused = ingest.refused();
  const { path, cutAt, contents } = file;
  if (json) {
    const symbols = Object.fromEntries(ingest.counts);
    const { blocks, records, firstUs, lastUs } = contents;
    const recording = { whole: cutAt === null, blocks, records, firstUs, lastUs };
    process.stdout.write(`${JSON.stringify({ file: path, complete: !interrupted, recording, ...counts, symbols })}\n`);
    return;
  }
  const words = [`${counts.frames} updates read`, `${ingest.counts.size} symbols`];
  if (counts.missing > 0) words.push(`${counts.missing} updates missing in the recording, ${counts.gaps} gaps`);
  if (counts.connectionsLost > 0) words.push(`${counts.connectionsLost} times the gateway was lost`);
  if (counts.damagedBlocks > 0) words.push(`${counts.damagedBlocks} damaged blocks`);
  for (const [code, count] of Object.entries(refused)) words.push(`${count} refused (${code})`);
  process.stdout.write(`${interrupted ? 'interrupted' : 'the recording ended'}: ${words.join(', ')}\n`);
}
