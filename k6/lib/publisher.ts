// Owns one publisher in k6: its WebSocket of proto/publish.md, its credits, and what became of each item. The scenario publish runs it.
// Invariant: it never sends more than it has credits for, and every item that was sent is counted as taken, refused or unanswered.

import { WebSocket } from 'k6/websockets';
import { authorized } from './market.ts';
import { metrics } from './metrics.ts';
import type { Parameters } from './parameters.ts';

/** Named here as well: what else src/protocol/publishing.ts has would be loaded into every virtual user. */
const PUBLISH_STREAM_PATH = '/v1/publish/stream';

export type Item = Readonly<Record<string, unknown>> & { readonly type: string };
type Result = { readonly seq: number } | { readonly error: { readonly code: string; readonly message: string } };

/** A frame of the publishers' WebSocket, as far as it is read here. */
interface PublishFrame {
  readonly type: string;
  readonly id?: number | null;
  readonly credits?: number;
  readonly results?: readonly Result[];
  readonly code?: string;
  readonly message?: string;
}

export class Publisher {
  /** The newest seq that was acknowledged, by channel. */
  readonly acked = { book: 0, trade: 0 };
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, { readonly items: readonly Item[]; readonly sentMs: number }>();
  private credits = 0;
  private nextId = 1;
  private isEnded = false;

  constructor(parameters: Parameters, welcomed: () => void) {
    const url = parameters.streamUrl.replace(/\/v1\/stream$/, PUBLISH_STREAM_PATH);
    this.socket = new WebSocket(url, null, { headers: authorized(parameters), tags: { name: 'publish' } });
    this.socket.onmessage = (event) => {
      for (const line of String(event!.data).split('\n')) {
        if (line === '') continue;
        const frame = JSON.parse(line) as PublishFrame;
        this.hear(frame);
        if (frame.type === 'welcome') welcomed();
      }
    };
    this.socket.onclose = () => {
      if (!this.isEnded) metrics.lost.add(1);
    };
    this.socket.onerror = () => undefined;
  }

  /** Items that were sent and are not answered. */
  get unanswered(): number {
    return [...this.waiting.values()].reduce((sum, { items }) => sum + items.length, 0);
  }

  /** Sends them, as far as there are credits. @returns how many. */
  publish(items: readonly Item[]): number {
    const sent = items.slice(0, this.credits);
    if (sent.length === 0) return 0;
    const id = this.nextId++;
    this.credits -= sent.length;
    this.waiting.set(id, { items: sent, sentMs: Date.now() });
    this.socket.send(JSON.stringify({ op: 'publish', id, items: sent }));
    metrics.published.add(sent.length);
    return sent.length;
  }

  end(): void {
    this.isEnded = true;
    this.socket.close(1000);
  }

  private hear({ type, id, credits = 0, results = [], code, message }: PublishFrame): void {
    this.credits += credits;
    const request = this.waiting.get(id ?? -1);
    if (request === undefined) return;
    this.waiting.delete(id!);
    if (type === 'error') {
      this.credits += request.items.length;
      metrics.refusedItems.add(request.items.length, { code: code ?? '' });
      console.warn(`publisher: ${code}: ${message}`);
      return;
    }
    metrics.ackMs.add(Date.now() - request.sentMs);
    let taken = 0;
    results.forEach((result, index) => {
      if ('error' in result) {
        metrics.refusedItems.add(1, { code: result.error.code });
        return;
      }
      taken += 1;
      const channel = request.items[index]!.type === 'trade' ? 'trade' : 'book';
      this.acked[channel] = Math.max(this.acked[channel], result.seq);
    });
    metrics.acked.add(taken);
  }
}
