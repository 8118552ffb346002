// Owns fetching what a venue serves by HTTP, one document at a time and not too fast. Live feeds call it for snapshots.
// Invariant: every request ends, with a body within the bound or with the reason why there is none.

import { type Pacing, waitUntil } from './pacing.ts';

/** Why there is no body; `retryAfterMs` is 0 unless the venue said when to come back. */
export interface Failed {
  readonly failed: string;
  readonly retryAfterMs: number;
}

export type Fetched = { readonly body: string } | Failed;

/** Distance of two requests: four a second is little for every venue that is known. */
const DISTANCE_MS = 250;
const REQUEST_MS_MAX = 10_000;
/** A longer wait than this is not believed. */
const RETRY_AFTER_S_MAX = 300;

export class LiveDocuments {
  private turn: Promise<unknown> = Promise.resolve();
  private notBeforeMs = 0;

  constructor(
    private readonly pacing: Pacing & { readonly signal: AbortSignal },
    private readonly bytesMax: number,
  ) {}

  /** Waits for its turn. @param begun called when the request goes out. */
  fetch(url: string, begun: () => void): Promise<Fetched> {
    const fetched = this.turn.then(() => this.take(url, begun));
    this.turn = fetched;
    return fetched;
  }

  private async take(url: string, begun: () => void): Promise<Fetched> {
    const { clock, signal } = this.pacing;
    await waitUntil(this.notBeforeMs, this.pacing);
    if (signal.aborted) return failed('the connection ended');
    this.notBeforeMs = clock.nowMs() + DISTANCE_MS;
    begun();
    const result = await request(url, this.bytesMax, signal);
    if ('failed' in result) this.notBeforeMs = Math.max(this.notBeforeMs, clock.nowMs() + result.retryAfterMs);
    return result;
  }
}

async function request(url: string, bytesMax: number, signal: AbortSignal): Promise<Fetched> {
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
    const response = await fetch(url, { signal: bounded, redirect: 'error', headers: { accept: 'application/json' } });
    const body = await readBody(response, bytesMax);
    if (body === null) return failed(`${url} answers with more than ${bytesMax} bytes`);
    return response.ok ? { body } : failed(`${url} answers ${response.status}`, retryAfterMs(response));
  } catch (error) {
    const { message, cause } = error as Error;
    return failed(`${url}: ${cause instanceof Error ? cause.message : message}`);
  }
}

/** Null where it is longer than allowed. */
async function readBody(response: Response, bytesMax: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function retryAfterMs({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after'));
  return seconds > 0 ? Math.min(seconds, RETRY_AFTER_S_MAX) * 1_000 : 0;
}

function failed(reason: string, retryAfter = 0): Failed {
  return { failed: reason, retryAfterMs: retryAfter };
}
