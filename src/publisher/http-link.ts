// Owns publishing and listing over HTTP: POST /v1/publish with one batch under way at a time, PUT /v1/instruments/:symbol.
// The publisher uses it, leases ask with it. Invariant: a batch is posted once; where no answer came, its outcome is unknown.

import type { Fault } from '../protocol/errors.ts';
import type { PublishResult } from '../protocol/publishing.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Authorization } from './credential.ts';
import type { Entry, Link, Source } from './link.ts';
import { type PublishError, type PublishErrorCode, publishError, refusedBy } from './refusal.ts';

export interface HttpLinkOptions {
  /** Where the gateway is, without a path of ours. */
  readonly url: string;
  readonly authorization: Authorization;
  readonly batchItemsMax: number;
  readonly silenceMs: number;
  readonly source: Source;
}

/** Gateways take four times as much, unless they are told otherwise. */
const BATCH_BYTES_MAX = 1_048_576;

/** These say that no connection was made: nothing can have been published. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export class HttpLink implements Link {
  private readonly writer = new ByteWriter();
  private readonly abort = new AbortController();
  private posting = false;

  constructor(private readonly options: HttpLinkOptions) {
    options.source.changed('open', null);
  }

  pump(): void {
    if (!this.posting) void this.postAll();
  }

  close(): void {
    this.abort.abort();
    this.options.source.changed('closed', null);
  }

  private async postAll(): Promise<void> {
    const { batchItemsMax, source } = this.options;
    this.posting = true;
    try {
      for (;;) {
        const entries = source.take(batchItemsMax, BATCH_BYTES_MAX);
        if (entries.length === 0) return;
        await this.post(entries);
      }
    } finally {
      this.posting = false;
    }
  }

  private async post(entries: readonly Entry[]): Promise<void> {
    const { url, authorization, silenceMs, source } = this.options;
    const { writer } = this;
    writer.length = 0;
    writer.array(entries.length);
    for (const { bytes } of entries) writer.append(bytes);
    const signal = AbortSignal.any([this.abort.signal, AbortSignal.timeout(silenceMs)]);
    const answer = await ask(`${url}/v1/publish`, {
      method: 'POST',
      authorization,
      contentType: 'application/msgpack',
      body: writer.copy(),
      signal,
    });
    if ('failure' in answer) return source.failed(entries, answer.failure);
    const { results } = answer.body as { results?: readonly PublishResult[] };
    if (Array.isArray(results) && results.length === entries.length) return source.answered(entries, results);
    source.failed(entries, publishError('unknown-outcome', null, 'what answers is no Tickwire gateway'));
  }
}

/** Lists an instrument, or changes it. @throws PublishError where it is refused, or the gateway can't be reached. */
export async function putInstrument(
  { url, authorization, silenceMs }: Pick<HttpLinkOptions, 'url' | 'authorization' | 'silenceMs'>,
  symbol: string,
  definition: object,
): Promise<void> {
  const answer = await ask(`${url}/v1/instruments/${encodeURIComponent(symbol)}`, {
    method: 'PUT',
    authorization,
    contentType: 'application/json',
    body: JSON.stringify(definition),
    signal: AbortSignal.timeout(silenceMs),
  });
  if (!('failure' in answer)) return;
  const { code, message, action } = answer.failure;
  throw refusedBy({ code: code as Fault['code'], message, action }, symbol);
}

interface Ask {
  readonly method: string;
  readonly authorization: Authorization;
  /** Of the body. */
  readonly contentType?: string;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
}

/** One request, and its answer as an object, or why there is none. */
export async function ask(
  url: string,
  { authorization, contentType, ...request }: Ask,
): Promise<{ body: object } | { failure: PublishError }> {
  let status: number;
  let body: unknown;
  let headers: Record<string, string>;
  try {
    headers = await authorization.headers();
  } catch (error) {
    return { failure: publishError('not-connected', null, whyOf(error)) };
  }
  if (contentType !== undefined) headers['Content-Type'] = contentType;
  try {
    const response = await fetch(url, { ...request, headers });
    status = response.status;
    body = await response.json().catch(() => null);
  } catch (error) {
    return { failure: publishError(outcomeOf(error), null, whyOf(error)) };
  }
  const { error } = (typeof body === 'object' && body !== null ? body : {}) as { error?: Fault };
  if (typeof error?.code === 'string') return { failure: refusedBy(error, null) };
  if (status === 200 && typeof body === 'object' && body !== null) return { body };
  return { failure: publishError('unknown-outcome', null, `HTTP ${status}: is it a Tickwire gateway?`) };
}

function outcomeOf(error: unknown): PublishErrorCode {
  const { cause } = error as { cause?: { code?: string } };
  return NEVER_SENT.has(cause?.code ?? '') ? 'not-connected' : 'unknown-outcome';
}

function whyOf(error: unknown): string {
  const { cause, message } = error as { cause?: { message?: string; code?: string }; message?: string };
  return cause?.message || cause?.code || message || 'no answer';
}
