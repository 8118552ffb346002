// Owns asking the admin port of a gateway: where it is, one question at a time, and what to say where nobody answers.
// `top` and `drain` call it. Invariant: what comes back is the answer of a gateway, or a Complaint says what answered instead.

import { InvalidArgumentError } from 'commander';
import { readSettings, SETTINGS } from '../settings/settings.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { endpointsOf } from './flags.ts';

const ANSWER_MS_MAX = 10_000;
const { adminPort } = SETTINGS;
export const USUAL_ADMIN_URL = `http://127.0.0.1:${adminPort.default}`;

export class AdminPort {
  constructor(readonly url: string) {}

  /** @throws Complaint where no gateway answers. */
  get(path: string, signal?: AbortSignal): Promise<object> {
    return this.ask('GET', path, signal);
  }

  /** @throws Complaint where no gateway answers. */
  post(path: string): Promise<object> {
    return this.ask('POST', path);
  }

  foreign(): never {
    throw new Complaint(
      `what answers at ${this.url} is no admin port of a Tickwire gateway: ` +
        'give --url the admin address that `tickwire serve` printed',
    );
  }

  private async ask(method: string, path: string, signal?: AbortSignal): Promise<object> {
    const late = AbortSignal.timeout(ANSWER_MS_MAX);
    let text: string;
    try {
      const both = signal === undefined ? late : AbortSignal.any([signal, late]);
      const response = await fetch(`${this.url}${path}`, { method, signal: both });
      text = await response.text();
    } catch (error) {
      throw new Unanswered(
        `no admin port of a gateway answers at ${this.url}: ${whyNot(error)}. ` +
          `Start a gateway with \`tickwire serve --demo\`, or say where its admin port is with --url (${adminPort.env}).`,
      );
    }
    return objectOf(text) ?? this.foreign();
  }
}

/** Nobody is there. */
export class Unanswered extends Complaint {}

/** Null for what is no JSON object. */
function objectOf(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** `fetch` hides what happened in the cause. */
function whyNot(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: unknown };
  if (name === 'TimeoutError') return 'nothing came back';
  const { code } = (cause ?? error) as { code?: string };
  return code === 'ECONNREFUSED' ? 'the connection was refused' : messageOf(cause ?? error);
}

export function adminUrlOf(text: string): string {
  const endpoints = endpointsOf(text);
  if (endpoints === null)
    throw new InvalidArgumentError(`Give the address of an admin port, such as ${USUAL_ADMIN_URL}.`);
  return endpoints.http;
}

/** Where the admin port is that no flag names. */
export function usualAdminUrl(): string {
  const port = readSettings().adminPort;
  if (port !== 0) return `http://127.0.0.1:${port}`;
  const sentence = `${adminPort.env} is 0, which is any free port: say with --url which one \`tickwire serve\` printed`;
  throw new Complaint(sentence, ExitCode.misused);
}
