// Owns asking over HTTP who holds a port. The doctor's checks of ports call it. Invariant: whoever listens there, an answer comes
// within a second or is null, and takes a bounded place; certificates are not judged here, and nothing secret goes to the public port.

import { get as getPlain, type RequestOptions } from 'node:http';
import { get as getSecure } from 'node:https';

const ANSWER_MS_MAX = 1_000;
/** More than all metrics. */
const ANSWER_BYTES_MAX = 2 ** 20;

/** Null for what is no JSON object. */
export async function askJson(url: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>> | null> {
  const text = await askText(url, signal);
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

/** @param token shown as `Authorization: Bearer`; empty for none. @returns the body, whatever the status; null: none came. */
export function askText(url: string, signal: AbortSignal, token = ''): Promise<string | null> {
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    agent: false,
    rejectUnauthorized: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]),
    ...(token !== '' && { headers: { authorization: `Bearer ${token}` } }),
  };
  return new Promise((resolve) => {
    const get = url.startsWith('https:') ? getSecure : getPlain;
    const request = get(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (text.length > ANSWER_BYTES_MAX) request.destroy();
      });
      response.on('end', () => resolve(text));
      response.on('close', () => resolve(null));
      response.on('error', () => resolve(null));
    });
    request.on('error', () => resolve(null));
  });
}
