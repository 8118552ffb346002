// Owns asking the admin port of a gateway: where it is, its token, one question at a time, and what to say where nobody answers.
// `top` and `drain` call it. Invariant: what comes back is the answer of a gateway, or a Complaint says what answered instead.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { readSettings, SETTINGS, type Settings } from '../settings/settings.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { endpointsOf } from './flags.ts';

const ANSWER_MS_MAX = 10_000;
const { adminPort, adminToken } = SETTINGS;
export const USUAL_ADMIN_URL = `http://127.0.0.1:${adminPort.default}`;

/** What is said of them in the help of a command. */
export const ADMIN_ENVIRONMENT: readonly (readonly [string, string])[] = [
  [adminPort.env, 'The admin port on this machine, where --admin does not say it.'],
  [adminToken.env, "The gateway's admin token, where it has one."],
];

export interface AdminFlags {
  readonly admin?: string;
  /** Its earlier name. */
  readonly url?: string;
}

/** The flags of every command that asks an admin port. */
export function addAdminFlags(command: Command): Command {
  const about = `the gateway's admin port (${adminPort.env}, default ${USUAL_ADMIN_URL})`;
  return command
    .addOption(new Option('--admin <address>', about).argParser(adminUrlOf))
    .addOption(new Option('--url <address>', about).argParser(adminUrlOf).hideHelp());
}

/** The admin port that flags and settings name. @throws Complaint, SettingsError where they name none. */
export function adminPortOf({ admin, url }: AdminFlags): AdminPort {
  const settings = readSettings();
  return new AdminPort(admin ?? url ?? usualAdminUrl(settings), settings.adminToken);
}

export class AdminPort {
  constructor(
    readonly url: string,
    private readonly token: string,
  ) {}

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
        'give --admin the address that `tickwire serve` printed',
    );
  }

  private async ask(method: string, path: string, signal?: AbortSignal): Promise<object> {
    const late = AbortSignal.timeout(ANSWER_MS_MAX);
    let text: string;
    let denied: boolean;
    try {
      const both = signal === undefined ? late : AbortSignal.any([signal, late]);
      const headers = this.token === '' ? undefined : { Authorization: `Bearer ${this.token}` };
      const response = await fetch(`${this.url}${path}`, { method, signal: both, ...(headers && { headers }) });
      text = await response.text();
      denied = response.status === 401 || response.status === 403;
    } catch (error) {
      throw new Unanswered(
        `no admin port of a gateway answers at ${this.url}: ${whyNot(error)}. ` +
          `Start a gateway with \`tickwire serve --demo\`, or say where its admin port is with --admin (${adminPort.env}).`,
      );
    }
    const answer = objectOf(text) ?? this.foreign();
    if (denied) throw new Complaint(`${this.url} does not answer everybody: ${this.remedy(answer)}`);
    return answer;
  }

  private remedy(answer: object): string {
    const { error } = answer as { error?: { code?: unknown; message?: unknown; action?: unknown } };
    if (error?.code !== 'admin-token') return error === undefined ? this.foreign() : `${error.message} ${error.action}`;
    return this.token === ''
      ? `set ${adminToken.env} to the token that the gateway has`
      : `${adminToken.env} is not the token that the gateway has`;
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

function adminUrlOf(text: string): string {
  const endpoints = endpointsOf(text);
  if (endpoints === null)
    throw new InvalidArgumentError(`Give the address of an admin port, such as ${USUAL_ADMIN_URL}.`);
  return endpoints.http;
}

/** Where the admin port is that no flag names. */
function usualAdminUrl({ adminHost, adminPort: port }: Pick<Settings, 'adminHost' | 'adminPort'>): string {
  const host = adminHost === '0.0.0.0' || adminHost === '::' ? '127.0.0.1' : adminHost;
  if (port !== 0) return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const sentence = `${adminPort.env} is 0, which is any free port: say with --admin which one \`tickwire serve\` printed`;
  throw new Complaint(sentence, ExitCode.misused);
}
