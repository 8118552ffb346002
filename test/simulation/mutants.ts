// Owns planted bugs, and the running of seeds in processes of their own, with or without one of them. The tests call it.
// Invariant: the product knows nothing of this: a bug is one exact piece of source text that is replaced while the
// simulation is bundled, and bundling fails where the text does not occur exactly once.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

export interface Mutant {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Where the seeds before it find nothing, the first one to run, since they would take long. */
  readonly firstSeed?: number;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'an off-by-one in `since`',
    file: 'src/market/book.ts',
    from: 'if (side.seqAt(index) > fromSeq || rank',
    to: 'if (side.seqAt(index) > fromSeq + 1 || rank',
  },
  {
    name: 'a tombstone forgotten early',
    file: 'src/market/book.ts',
    from: '(isBid ? bidSeq : askSeq)!);',
    to: '(isBid ? bidSeq : askSeq)! - 1);',
  },
  {
    name: 'a cursor moved before the send',
    file: 'src/sessions/send-queue.ts',
    from: '    subscription.answer = answer;\n',
    to: '    subscription.answer = answer;\n    subscription.epoch = answer.epoch;\n    subscription.seq = answer.seq;\n',
  },
  {
    name: 'a shared answer changed after sharing',
    file: 'src/topics/chunks.ts',
    from: 'return { bytes: encodeKept(codec, frame, context), frames: 1, gatewayUs, seq };',
    to: 'scratch.length = 0; codec.encode(scratch, frame, context); return { bytes: scratch.bytes.subarray(0, scratch.length), frames: 1, gatewayUs, seq };',
  },
  {
    name: 'the depth rule of buckets off by one rank',
    file: 'src/market/grouping.ts',
    from: 'rank + passed >= heldRank',
    to: 'rank + passed > heldRank',
  },
  {
    name: 'the depth rule off by one rank',
    file: 'src/market/book.ts',
    from: 'rank + passed >= heldRank',
    to: 'rank + passed > heldRank',
  },
  {
    name: 'a pong counted twice',
    file: 'src/sessions/window.ts',
    from: '    this.answeredBytes = sentBytes;\n',
    to: '    this.answeredBytes += inFlightBytes;\n',
  },
  {
    name: 'a window that leaks',
    file: 'src/sessions/flow.ts',
    from: '    this.lanes.count(this.lane, bytes);\n',
    to: '',
  },
  {
    name: 'a control frame overtaken',
    file: 'src/sessions/send-queue.ts',
    from: '    this.pumpControl(nowMs);\n    if (this.free) this.pumpListing(nowMs);\n    if (this.free) this.pumpBehind(nowUs, nowMs);\n',
    to: '    if (this.free) this.pumpBehind(nowUs, nowMs);\n    this.pumpControl(nowMs);\n    if (this.free) this.pumpListing(nowMs);\n',
  },
  {
    name: 'a cursor moved though the flush was not let through',
    file: 'src/topics/view.ts',
    from: 'Math.max(subscription.seq, heldSeq)',
    to: 'this.sentSeq',
  },
  {
    name: 'an answer released before it came to all',
    file: 'src/topics/flush.ts',
    from: 'outgoing.at(before).passed >= laneCount',
    to: 'outgoing.at(before).passed >= laneCount - 1',
  },
  {
    name: 'an answer that goes out though its view was left',
    file: 'src/topics/flush.ts',
    from: 'if (answer.view !== view) {',
    to: 'if (answer.view !== null) {',
  },
  {
    name: 'one time frame for answers of several turns',
    file: 'src/topics/outgoing.ts',
    from: 'const timed = answer.turnUs === turnUs;',
    to: 'const timed = i > first;',
  },
  {
    name: 'a message applied twice',
    file: 'src/bus/redis-follower.ts',
    from: 'if (seq === this.seq + 1) {',
    to: 'if (seq === this.seq + 1 || seq === this.seq) {',
  },
  {
    name: 'a lost message that is not missed',
    file: 'src/bus/redis-follower.ts',
    from: 'if (seq === this.seq + 1) {',
    to: 'if (seq > this.seq) {',
  },
  {
    name: 'two ends of an epoch taken for one',
    file: 'src/bus/redis-follower.ts',
    from: '? this.nonces[seq % REMEMBERED]! : 0;',
    to: '? 0 : 0;',
  },
  {
    name: 'a loss that nobody is told of',
    file: 'src/bus/redis-follower.ts',
    from: '    this.remember(head.seq, head.nonce);\n    this.tellLoss();\n',
    to: '    this.remember(head.seq, head.nonce);\n',
    firstSeed: 71,
  },
  {
    name: 'an update sent again as if it were the first time',
    file: 'src/bus/redis-publishing.ts',
    from: '{ ...each.call, againUs: this.usSince(each.sentMs) }',
    to: '{ ...each.call, againUs: null }',
  },
  {
    name: 'a delta let through after one that was lost',
    file: 'src/bus/redis-publishing.ts',
    from: 'if (!this.torn.has(group.keys.topic)) return group;',
    to: 'if (this.torn.size >= 0) return group;',
  },
  {
    name: 'an entry of another epoch taken for the next of this one',
    file: 'src/bus/redis-follower.ts',
    from: 'if (head.epoch !== this.epoch) return this.halt(bytes);',
    to: 'if (head.epoch !== this.epoch && seq !== this.seq + 1) return this.halt(bytes);',
  },
  {
    name: 'a doubt that is never taken back',
    file: 'src/bus/redis-follower.ts',
    from: '  private flow(round: number): void {\n    this.trusted = true;\n',
    to: '  private flow(round: number): void {\n',
  },
  {
    name: 'numbers shown on scales that they are not of',
    file: 'src/bus/redis.ts',
    from: '    if (rescaled) this.forsakeAll(instrument);\n',
    to: '',
  },
  {
    name: 'a token that is good twice',
    file: 'src/sessions/session-store.ts',
    from: "    this.end(session, kept, 'used');\n",
    to: '',
  },
  {
    name: 'a principal that is not compared',
    file: 'src/sessions/token.ts',
    from: "hash('sha256', principal, 'base64url')",
    to: "hash('sha256', '', 'base64url')",
  },
  {
    name: 'a token that is good though newer ones were given',
    file: 'src/sessions/session-store.ts',
    from: "    if (generation < kept.generation - 1) return 'superseded';\n    if (this.options.clock.nowMs() >= kept.untilMs) return 'expired';\n",
    to: "    if (this.options.clock.nowMs() >= kept.untilMs) return 'expired';\n    if (generation < kept.generation) return null;\n",
  },
  {
    name: 'a token that outlives its session',
    file: 'src/sessions/session-store.ts',
    from: "    if (this.options.clock.nowMs() >= kept.untilMs) return 'expired';\n",
    to: '',
  },
  {
    name: 'a change of a session that is not written',
    file: 'src/bus/redis-sessions.ts',
    from: '    known.changes += 1;\n',
    to: '    known.changes = 1;\n',
  },
  {
    name: 'a session saved without its intervals',
    file: 'src/sessions/continuity.ts',
    from: '      interval: asked.intervalMs || undefined,\n',
    to: '      interval: undefined,\n',
  },
  {
    name: 'a symbol that comes back with a session though it was delisted',
    file: 'src/sessions/continuity.ts',
    from: '    if (connection.hasLess) this.changed(connection);\n',
    to: '',
    firstSeed: 141,
  },
  {
    name: 'subscriptions of a session that went on elsewhere left in their topics',
    file: 'src/sessions/continuity.ts',
    from: "    this.connections.get(session)?.close(CloseCode.resumed, 'resumed');\n",
    to: "    this.connections.get(session)?.subscriptions.clear();\n    this.connections.get(session)?.close(CloseCode.resumed, 'resumed');\n",
  },
  {
    name: 'a connection that goes on beside its successor',
    file: 'src/sessions/continuity.ts',
    from: "    this.connections.get(session)?.close(CloseCode.resumed, 'resumed');\n",
    to: '',
  },
  {
    name: 'a cursor whose depth is not looked at',
    file: 'src/sessions/places.ts',
    from: 'subscription.depth = depth ?? askedDepth;',
    to: 'subscription.depth = askedDepth;',
  },
  {
    name: 'a snapshot that was announced as a difference',
    file: 'src/sessions/healing.ts',
    from: "    case 'horizon':\n",
    to: '',
  },
  {
    name: 'a topic that goes on though it was revoked',
    file: 'src/sessions/session.ts',
    from: "        this.places.detach(subscription);\n        connection.endFor(subscription, 'revoked');\n",
    to: "        connection.endFor(subscription, 'revoked');\n",
  },
  {
    name: 'a grant cut down that changes nothing',
    file: 'src/sessions/session.ts',
    from: '} else if (shape !== asked) {',
    to: '} else if (shape === null) {',
  },
  {
    name: 'clients closed without a goodbye',
    file: 'src/gateway/drain.ts',
    from: "connection.tell({ type: 'goodbye',",
    to: "({ tell: () => {} }).tell({ type: 'goodbye',",
  },
];

const ROOT = new URL('../../', import.meta.url);

function planted({ file, from, to }: Mutant): Plugin {
  const path = fileURLToPath(new URL(file, ROOT));
  return {
    name: 'planted',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, async (args) => {
        if (args.path !== path) return null;
        const text = await readFile(path, 'utf8');
        const pieces = text.split(from);
        if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
        return { contents: pieces.join(to), loader: 'ts' };
      });
    },
  };
}

/** The command `simulate` in one file; `remove` it in the end. */
export interface Bundle {
  readonly path: string;
  remove(): Promise<void>;
}

export async function bundle(mutant: Mutant | null): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), 'tickwire-simulation-'));
  const path = join(folder, 'run.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('run.ts', import.meta.url))],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    plugins: mutant === null ? [] : [planted(mutant)],
  });
  return { path, remove: () => rm(folder, { recursive: true }) };
}

/** What the command says with `--json`. */
export interface Outcome {
  readonly runs: number;
  readonly seconds: number;
  readonly branches: Readonly<Record<string, number>>;
  readonly failure: { readonly seed: number; readonly message: string } | null;
}

/** What a run makes lives as long as the run: with more room for the young, less of it is copied. */
const ROOMY = '--max-semi-space-size=32';

/** Runs seeds in a process, until one fails. */
export function runSeeds({ path }: Bundle, from: number, count: number): Promise<Outcome> {
  const args = [ROOMY, path, '--seeds', String(count), '--from', String(from), '--json'];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      if (stdout === '') reject(error ?? new Error(stderr));
      else resolve(JSON.parse(stdout) as Outcome);
    });
  });
}
