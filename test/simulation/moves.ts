// Owns how clients get from one connection to the next, and what befalls nodes and grants meanwhile: tokens that are used, old, another's
// or changed; races; deaths, drains; grants that change. The simulation asks it before each step, and for every return. Invariant: what
// happens is drawn from the run's seed; there is always a node that takes clients in.

import { FULL_GRANT, type Grant, type Identity } from '../../src/sessions/grant.ts';
import type { Return, SimulatedClient } from './client.ts';
import { drawGrant, identityOf } from './identities.ts';
import type { Kernel, Random } from './kernel.ts';
import type { Link, LinkOptions } from './link.ts';
import type { SimulatedNode } from './node.ts';
import type { SessionLedger } from './session-ledger.ts';

export interface MovesOptions {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly ledger: SessionLedger;
  /** Those that are alive; others take the places of those that die. */
  readonly nodes: SimulatedNode[];
  /** Another process in the place of that node. */
  readonly restart: (place: number) => SimulatedNode;
  readonly clients: readonly SimulatedClient[];
  readonly linkOptions: () => LinkOptions;
  readonly symbols: readonly string[];
  /** By what their holders say; all nodes know them. */
  readonly identities: Map<string, Identity>;
}

const DRAIN_MS_MAX = 600;
/** After the last client was to be gone: what it takes until topics that nobody wants are left. */
const EMPTY_MS = 2_600;

export class Moves {
  /** Nodes that are no more. */
  readonly past: SimulatedNode[] = [];
  private readonly racing: number;
  private readonly dying: number;
  private readonly granting: number;
  private keyCount = 0;

  constructor(private readonly options: MovesOptions) {
    const { random } = options;
    this.racing = random.pick([0.001, 0.003]);
    this.dying = random.pick([0, 0.002]);
    this.granting = random.pick([0, 0.01]);
    for (const client of options.clients)
      client.onGoodbye = (link, goodbye) => this.sendAway(client, link, goodbye.reconnectMs);
  }

  get draining(): boolean {
    return this.options.nodes.some(({ draining }) => draining);
  }

  /** A node that takes clients in; where it may be, another than that. */
  nodeFor(before: SimulatedNode | null = null): SimulatedNode {
    const open = this.options.nodes.filter(({ draining }) => !draining);
    const others = open.filter((node) => node !== before);
    return this.options.random.pick(others.length > 0 ? others : open);
  }

  /** Before each step. */
  disturb(): void {
    const { random, nodes, clients, ledger } = this.options;
    if (random.chance(this.racing)) this.race();
    if (random.chance(this.granting)) this.grant(random.pick(clients));
    if (random.chance(0.002)) this.identify(random.pick(clients));
    if (random.chance(0.002)) {
      ledger.events['keys rotated'] += 1;
      const key = `key${this.keyCount++}:${'k'.repeat(42)}${this.keyCount % 10}`;
      for (const node of nodes) node.rotate(key);
    }
    if (this.draining || !random.chance(this.dying)) return;
    const place = random.below(nodes.length);
    if (random.chance(0.5)) this.die(place);
    else this.drain(place);
  }

  /** What a client brings along. */
  wayBack(client: SimulatedClient): Return {
    const { random, clients, ledger } = this.options;
    const { events } = ledger;
    const drawn = random.below(100);
    if (drawn < 40 || client.tokens.length === 0) return { bring: 'cursors' };
    if (drawn < 60) {
      events['brought token and cursors'] += 1;
      return { bring: 'both' };
    }
    if (drawn < 76) {
      events['brought a token alone'] += 1;
      return { bring: 'token' };
    }
    if (drawn < 81) {
      events['came back with half of it there'] += 1;
      return { bring: 'half' };
    }
    const bring = random.chance(0.8) ? 'both' : 'token';
    const own = client.tokens.at(-1)!;
    if (drawn < 86 && client.spent.length > 0) {
      events['brought a used token'] += 1;
      return { bring, token: random.pick(client.spent) };
    }
    if (drawn < 91) {
      events['brought an old token'] += 1;
      return { bring, token: random.pick(client.tokens) };
    }
    const others = clients.filter(
      ({ identity, tokens }) => identity.principal !== client.identity.principal && tokens.length > 0,
    );
    if (drawn < 96 && others.length > 0) {
      events["brought another principal's token"] += 1;
      return { bring, token: random.pick(others).tokens.at(-1)! };
    }
    events['brought a changed token'] += 1;
    return { bring, token: changed(own, random) };
  }

  /** Nobody is served more than is granted. */
  check(): void {
    for (const { name, served } of this.options.clients) {
      const grant = served?.identity.grant ?? FULL_GRANT;
      if (grant === FULL_GRANT) continue;
      for (const { topic, asked } of served!.subscriptions.values()) {
        const allowed = grant.subscribe(topic.channel, topic.symbol);
        const isRaw = asked.mode === 'raw';
        if (allowed === null || (isRaw ? !allowed.raw : asked.intervalMs < allowed.intervalMs)) {
          throw new Error(`client ${name}: ${topic.name} is served faster than is granted, or at all`);
        }
      }
    }
  }

  /** Waits until no node is about to stop. */
  async settle(): Promise<void> {
    const { kernel } = this.options;
    while (this.draining) await kernel.advance(100);
  }

  /** Two of one principal bring the same token at the same moment; or one brings that of another who is still there. */
  private race(): void {
    const { random, clients, ledger, linkOptions } = this.options;
    const one = random.pick(clients);
    const rivals = clients.filter((each) => each !== one && each.identity.principal === one.identity.principal);
    const token = one.tokens.at(-1);
    if (rivals.length === 0 || token === undefined) return;
    const rival = random.pick(rivals);
    ledger.events.races += 1;
    rival.disconnect(1);
    const stays = one.live !== null && random.chance(0.3);
    const runs = [() => rival.connect(this.nodeFor(), linkOptions(), { bring: 'token', token })];
    if (!stays) {
      one.disconnect(random.pick([0, 1, 2_000]));
      const bring = random.chance(0.5) ? 'both' : 'token';
      runs.splice(random.below(2), 0, () => one.connect(this.nodeFor(), linkOptions(), { bring, token }));
    }
    for (const run of runs) run();
  }

  private grant(client: SimulatedClient): void {
    const { random, symbols, ledger } = this.options;
    // Who is about to say who it is has what it had.
    if (client.shown !== null) return;
    ledger.events['grants changed'] += 1;
    this.entitle(client, drawGrant(random, symbols));
  }

  private entitle(client: SimulatedClient, grant: Grant): void {
    client.identity = identityOf(client.identity.principal, grant);
    const { live, served } = client;
    if (live === null || served === null) return;
    client.witness.granted(grant, live.link.takenBytes);
    live.node.entitle(served, client.identity);
  }

  /** One that was nobody says who it is. */
  private identify(client: SimulatedClient): void {
    const { identities, ledger } = this.options;
    if (client.identity.via !== 'anonymous' || client.live === null) return;
    ledger.events['identities shown later'] += 1;
    const identity = identityOf(`late-${client.name}`, client.identity.grant);
    identities.set(identity.principal, identity);
    client.authenticate(identity);
  }

  private die(place: number): void {
    const { random, nodes, clients, ledger } = this.options;
    const node = nodes[place]!;
    ledger.events['nodes died'] += 1;
    for (const { live } of clients) if (live?.node === node) live.link.vanish(random.pick([0, 1, 40, 1_500]));
    this.replace(place);
  }

  private drain(place: number): void {
    const { random, nodes, clients, kernel, ledger, linkOptions } = this.options;
    const node = nodes[place]!;
    ledger.events['nodes drained'] += 1;
    const drainMs = random.between(1, DRAIN_MS_MAX);
    node.drain(drainMs);
    random.pick(clients).knock(node, linkOptions());
    kernel.after(2 * drainMs + EMPTY_MS, () => {
      node.checkEmpty();
      this.replace(place);
    });
  }

  private replace(place: number): void {
    const { nodes, restart } = this.options;
    this.past.push(nodes[place]!);
    nodes[place]!.die();
    nodes[place] = restart(place);
  }

  private sendAway(client: SimulatedClient, link: Link, reconnectMs: number): void {
    const { kernel, random, linkOptions } = this.options;
    const before = client.live!.node;
    kernel.after(reconnectMs, () => {
      if (client.live?.link !== link) return;
      client.disconnect(random.pick([0, 50, 2_000]));
      client.connect(this.nodeFor(before), linkOptions(), this.wayBack(client));
    });
  }
}

/** One character is another, of the same kind. */
function changed(token: string, random: Random): string {
  const at = random.below(token.length);
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
}
