// Owns what the admin port tells of the connections: a list, the oldest age first, and one by one with why it is slow.
// The gateway routes requests here, `tickwire top` draws the list. Invariant: it only reads; what it tells are facts of this
// moment, and no secret is among them.

import { type Fault, fault } from '../protocol/errors.ts';
import { type Mode, PACES } from '../protocol/frames.ts';
import type { Connection } from '../sessions/connection.ts';
import type { Block } from '../sessions/flow.ts';
import type { Rung } from '../sessions/ladder.ts';
import { SLOWER_INTERVAL_MS } from '../sessions/pacing.ts';
import { SETTINGS } from '../settings/settings.ts';
import type { Subscription } from '../topics/subscription.ts';
import type { ViewShape } from '../topics/view.ts';

export const CONNECTIONS_PATH = '/v1/admin/connections';
export const DRAIN_PATH = '/v1/admin/drain';
export const LISTED_DEFAULT = 100;
/** About 4 MB of JSON, made in one go. */
export const LISTED_MAX = 10_000;
/** What people are shown of an id; so much of it is enough to ask for a connection. */
export const ID_SHOWN = 6;
/** A ping without an answer for longer than this is worth a sentence. */
const PING_LATE_MS = 1_000;
const CLIENT_LATE_MS = 1_000;

export interface ConnectionFacts {
  readonly id: string;
  readonly address: string;
  /** Who it is; `anonymous` or `local` for those who have not said. */
  readonly principal: string;
  readonly codec: string;
  /** How long it has been open. */
  readonly openMs: number;
  /** Of the last full second. */
  readonly bytesPerSec: number;
  readonly sentBytes: number;
  /** How long the client has been without what is due to it, or the link without an answer. */
  readonly ageMs: number;
  /** Of the last pong; null before the first. */
  readonly roundTripMs: number | null;
  readonly windowBytes: number;
  readonly unansweredBytes: number;
  readonly pace: Rung;
  readonly block: Block | null;
  readonly queuedBytes: number;
  readonly subscriptions: number;
  /** Of the subscriptions, those that are not in step. */
  readonly behind: number;
  /** What client, operator and entitlement allow; 0: no limit. */
  readonly bytesPerSecMax: number;
  /** How old what it shows is, as the client says; null: it says nothing. */
  readonly clientLagMs: number | null;
}

export interface ConnectionList {
  /** Of all connections, also of those that the list leaves out. */
  readonly total: number;
  readonly bytesPerSec: number;
  readonly paces: Readonly<Record<string, number>>;
  readonly blocked: Readonly<Record<Block, number>>;
  readonly connections: readonly ConnectionFacts[];
}

interface Shape {
  /** 0: all levels. */
  readonly depth: number;
  readonly intervalMs: number;
  readonly mode: Mode;
}

interface SubscriptionFacts {
  readonly channel: string;
  readonly symbol: string;
  readonly asked: Shape;
  /** What the present pace leaves of it. */
  readonly inForce: Shape;
  readonly priority: number;
  readonly inStep: boolean;
  /** What the client holds once it has received all that was sent; 0: nothing of this epoch. */
  readonly seq: number;
  /** What it holds, as the client said last; null: it says nothing. */
  readonly heldSeq: number | null;
  readonly topicSeq: number;
  /** Updates of the topic that its view has not shown or passed over yet. */
  readonly updatesBehind: number;
}

export interface ConnectionReport extends Omit<ConnectionFacts, 'subscriptions' | 'behind'> {
  readonly why: readonly string[];
  readonly behind: number;
  readonly subscriptions: readonly SubscriptionFacts[];
}

/** What the gateway knows when it is asked. */
export interface AdminView {
  readonly connections: ReadonlySet<Connection>;
  readonly nowMs: number;
  /** What the operator allows each connection; 0: no limit. */
  readonly connectionBytesPerSecMax: number;
}

/** Answers CONNECTIONS_PATH and what is under it. */
export function answerConnections(
  path: string,
  query: URLSearchParams,
  view: AdminView,
): ConnectionList | ConnectionReport | Fault {
  if (path === CONNECTIONS_PATH) return listed(query.get('limit') ?? String(LISTED_DEFAULT), view);
  const connection = found(path.slice(CONNECTIONS_PATH.length + 1), view.connections);
  return 'code' in connection ? connection : reported(connection, view);
}

function listed(limit: string, { connections, nowMs }: AdminView): ConnectionList | Fault {
  const count = Number(limit);
  if (!/^\d{1,9}$/.test(limit) || count < 1 || count > LISTED_MAX) {
    const remedy = `give a whole number from 1 to ${LISTED_MAX}, or leave it out for ${LISTED_DEFAULT}`;
    return fault('bad-request', `limit is ${JSON.stringify(limit.slice(0, 20))}: ${remedy}`);
  }
  const paces = Object.fromEntries(PACES.map((pace) => [pace, 0]));
  const blocked: Record<Block, number> = { socket: 0, window: 0, budget: 0, demo: 0 };
  let bytesPerSec = 0;
  const oldest = new Oldest(count);
  let total = 0;
  for (const connection of connections) {
    if (connection.closed) continue;
    const { rung, block } = connection;
    total += 1;
    paces[rung.pace] = (paces[rung.pace] ?? 0) + 1;
    if (block !== null) blocked[block] += 1;
    bytesPerSec += connection.bytesPerSec;
    oldest.offer(connection, connection.ageMs(nowMs));
  }
  return { total, bytesPerSec, paces, blocked, connections: oldest.take().map((each) => factsOf(each, nowMs)) };
}

/** Keeps the oldest so many of all that it is offered. Equally old ones stay in the order in which they came. */
class Oldest {
  private readonly kept: { connection: Connection; ageMs: number }[] = [];
  /** Whoever is not older is not among them. */
  private floorMs = -1;

  constructor(private readonly count: number) {}

  offer(connection: Connection, ageMs: number): void {
    if (ageMs <= this.floorMs) return;
    this.kept.push({ connection, ageMs });
    if (this.kept.length >= 2 * this.count) this.cut();
  }

  take(): Connection[] {
    this.cut();
    return this.kept.map(({ connection }) => connection);
  }

  private cut(): void {
    const { kept, count } = this;
    kept.sort((a, b) => b.ageMs - a.ageMs);
    if (kept.length < count) return;
    kept.length = count;
    this.floorMs = kept[count - 1]!.ageMs;
  }
}

/** The connection with this id, or the only one whose id begins so. */
function found(id: string, connections: ReadonlySet<Connection>): Connection | Fault {
  const all = openOnes(connections);
  const begun = id.length < ID_SHOWN ? [] : all.filter((each) => each.id.startsWith(id));
  const connection = all.find((each) => each.id === id) ?? begun[0];
  if (connection !== undefined && (connection.id === id || begun.length === 1)) return connection;
  const shown = JSON.stringify(id.slice(0, 40));
  if (begun.length > 1) return fault('not-found', `${begun.length} ids begin with ${shown}: give more of it`);
  return fault('not-found', `no connection with the id ${shown} is open; GET ${CONNECTIONS_PATH} lists them`);
}

/** Without those that were closed from our side and whose socket is not gone yet. */
function openOnes(connections: ReadonlySet<Connection>): Connection[] {
  return [...connections].filter(({ closed }) => !closed);
}

function factsOf(connection: Connection, nowMs: number): ConnectionFacts {
  const { id, address, codec, openedMs, bytesPerSec, sentBytes, window, rung, block, subscriptions } = connection;
  let behind = 0;
  for (const { inStep } of subscriptions.values()) if (!inStep) behind += 1;
  return {
    id,
    address,
    principal: connection.identity.principal,
    codec: codec.name,
    openMs: Math.round(nowMs - openedMs),
    bytesPerSec,
    sentBytes,
    ageMs: Math.round(connection.ageMs(nowMs)),
    roundTripMs: window.roundTripMs === null ? null : Math.round(window.roundTripMs * 100) / 100,
    windowBytes: Math.floor(window.bytes),
    unansweredBytes: connection.unansweredBytes,
    pace: { pace: rung.pace, priority: rung.priority },
    block,
    queuedBytes: connection.queuedBytes,
    subscriptions: subscriptions.size,
    behind,
    bytesPerSecMax: connection.bytesPerSecMax,
    clientLagMs: connection.clientLagMs,
  };
}

function reported(connection: Connection, { nowMs, connectionBytesPerSecMax }: AdminView): ConnectionReport {
  const facts = factsOf(connection, nowMs);
  const { heldSeqs, identity } = connection;
  const subscriptions = [...connection.subscriptions.values()].map((each) => subscriptionFacts(each, heldSeqs));
  const { oldestPingMs } = connection.window;
  const lacking = subscriptions.filter(({ inStep, updatesBehind }) => !inStep && updatesBehind > 0);
  const reasons = why(facts, {
    pingAgeMs: oldestPingMs === null ? null : nowMs - oldestPingMs,
    limitedBy: limiterOf(facts.bytesPerSecMax, connectionBytesPerSecMax, identity.grant.bytesPerSec),
    lacking: lacking.length,
    updatesBehindMost: lacking.reduce((most, { updatesBehind }) => Math.max(most, updatesBehind), 0),
  });
  return { ...facts, why: reasons, subscriptions };
}

function limiterOf(bytesPerSec: number, operatorMax: number, entitledMax: number): Circumstances['limitedBy'] {
  if (bytesPerSec === operatorMax) return 'operator';
  return bytesPerSec === entitledMax ? 'entitlement' : 'client';
}

function subscriptionFacts(
  subscription: Subscription,
  heldSeqs: ReadonlyMap<number, number> | null,
): SubscriptionFacts {
  const { topic, view, asked, priority, inStep, epoch } = subscription;
  const seq = epoch !== topic.epoch ? 0 : inStep ? Math.max(subscription.seq, view.sentSeq) : subscription.seq;
  const coveredSeq = inStep ? Math.max(seq, view.scannedSeq) : seq;
  return {
    channel: topic.channel,
    symbol: topic.symbol,
    asked: shapeOf(asked),
    inForce: shapeOf(view),
    priority,
    inStep,
    seq,
    heldSeq: heldSeqs?.get(topic.id) ?? null,
    topicSeq: topic.seq,
    updatesBehind: Math.max(0, topic.seq - coveredSeq),
  };
}

function shapeOf({ depth, intervalMs, mode }: ViewShape): Shape {
  return { depth, intervalMs, mode };
}

/** What the facts of a connection don't hold themselves. */
export interface Circumstances {
  /** How long its oldest unanswered ping has been out; null: all are answered. */
  readonly pingAgeMs: number | null;
  /** Whose byte budget is in force. */
  readonly limitedBy: 'client' | 'operator' | 'entitlement';
  /** Subscriptions that lack updates, and how many the furthest of them lacks. */
  readonly lacking: number;
  readonly updatesBehindMost: number;
}

/** Says in sentences what holds a connection back, the most telling first; or that nothing does. */
export function why(facts: ConnectionFacts, circumstances: Circumstances): string[] {
  const sentences = [
    blockSentence(facts, circumstances),
    mergingSentence(facts),
    paceSentence(facts.pace),
    lackingSentence(facts, circumstances),
    pingSentence(facts, circumstances),
    clientSentence(facts),
  ].filter((sentence) => sentence !== null);
  return sentences.length > 0 ? sentences : [calmSentence(facts)];
}

function blockSentence(facts: ConnectionFacts, { pingAgeMs, limitedBy }: Circumstances): string | null {
  const { block, unansweredBytes, windowBytes, queuedBytes, bytesPerSecMax } = facts;
  switch (block) {
    case 'window': {
      const since = pingAgeMs === null ? '' : ` for ${durationOf(pingAgeMs)}`;
      const state = unansweredBytes < windowBytes ? 'has no room for the next message' : 'is full';
      const window = `the window of ${countOf(windowBytes)} bytes ${state}`;
      const unanswered = `Its peer has not answered ${countOf(unansweredBytes)} bytes${since}`;
      return `${unanswered}: ${window}, nothing more is sent until a pong comes.`;
    }
    case 'socket':
      return `${countOf(queuedBytes)} bytes wait for the socket: the kernel takes no more until the peer reads.`;
    case 'budget': {
      const whose = {
        client: 'asked for by the client',
        operator: `set by the operator: ${SETTINGS.connectionBytesPerSecMax.env}`,
        entitlement: 'all that its role allows',
      };
      return `Its byte budget of ${countOf(bytesPerSecMax)} bytes a second (${whose[limitedBy]}) is used up.`;
    }
    case 'demo':
      return 'Its client asked for a stall, to see it heal: nothing is sent until its time is over.';
    case null:
      return null;
  }
}

function mergingSentence({ pace, block, bytesPerSec, roundTripMs, bytesPerSecMax }: ConnectionFacts): string | null {
  if (pace.pace === 'real-time') return null;
  const terms = [
    ...(roundTripMs === null ? [] : [`a round trip of ${durationOf(roundTripMs)}`]),
    ...(bytesPerSecMax === 0 || block === 'budget' ? [] : [`a budget of ${countOf(bytesPerSecMax)} bytes a second`]),
  ];
  const sent = `It was sent ${countOf(bytesPerSec)} bytes in the last second`;
  const so = 'what was due needed more, so updates are merged';
  return `${sent}${terms.length === 0 ? '' : `, with ${terms.join(' and ')}`}: ${so}.`;
}

function paceSentence({ pace, priority }: Rung): string | null {
  const those = `of priority ${priority} and below`;
  const often = `more often than every ${countOf(SLOWER_INTERVAL_MS)} ms, trades and raw subscriptions aside`;
  if (pace === 'slower') return `It is served at the pace \`slower\`: nothing ${those} is sent ${often}.`;
  if (pace !== 'top') return null;
  return `It is served at the pace \`top\`: books ${those} are cut to the best level, and nothing is sent ${often}.`;
}

function lackingSentence({ subscriptions }: ConnectionFacts, circumstances: Circumstances): string | null {
  const { lacking, updatesBehindMost } = circumstances;
  if (lacking === 0) return null;
  const most = countOf(updatesBehindMost);
  if (subscriptions === 1)
    return `Its only subscription lacks ${most} ${updatesBehindMost === 1 ? 'update' : 'updates'}.`;
  const those = `${countOf(lacking)} of its ${countOf(subscriptions)} subscriptions`;
  return `${those} ${lacking === 1 ? 'lacks' : 'lack'} updates, the furthest behind ${most}.`;
}

function pingSentence({ block }: ConnectionFacts, { pingAgeMs }: Circumstances): string | null {
  if (block === 'window' || pingAgeMs === null || pingAgeMs <= PING_LATE_MS) return null;
  return `Its peer has not answered a ping for ${durationOf(pingAgeMs)}.`;
}

/** Where the gateway holds nothing back, it is the client that takes its time. */
function clientSentence({ block, clientLagMs }: ConnectionFacts): string | null {
  if (block !== null || clientLagMs === null || clientLagMs <= CLIENT_LATE_MS) return null;
  return `Its client says that what it shows is ${durationOf(clientLagMs)} old: what is sent arrives late, or is taken in late.`;
}

function calmSentence({ subscriptions, roundTripMs }: ConnectionFacts): string {
  if (subscriptions === 0) return 'It has no subscriptions: nothing is due to it.';
  const ping =
    roundTripMs === null
      ? 'no ping has been answered so far'
      : `the last ping was answered in ${durationOf(roundTripMs)}`;
  return `It keeps up: nothing is behind and ${ping}.`;
}

function countOf(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

function durationOf(durationMs: number): string {
  if (durationMs < 0.1) return `${durationMs.toFixed(2)} ms`;
  if (durationMs < 10) return `${durationMs.toFixed(1)} ms`;
  return durationMs < 1_000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1_000).toFixed(1)} s`;
}
