// Owns the admin port's way in: which address and method there is, and who may ask. The gateway gives it the table of routes.
// Invariant: only routes that say so are answered to everybody; all else needs the token where one is set, and where none is, a
// program on this machine. Nobody else learns so much as which addresses there are.

import { ERRORS, type ErrorCode, type Fault, fault } from '../protocol/errors.ts';
import { isSameText } from '../sessions/api-keys.ts';
import type { Settings } from '../settings/settings.ts';
import { bearerOf } from './handshake.ts';
import { isLocalProgram } from './trust.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

export const ADMIN_PATH = '/v1/admin';
/** Of a body: the longest is a log level. */
export const ADMIN_BODY_BYTES_MAX = 1_024;
/** At once: scrapes and probes are a handful, and files that the process may have open are for clients. */
export const ADMIN_CONNECTIONS_MAX = 1_000;
const PATH_CHARS_MAX = 100;

export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** What ends in `/:id` stands for all that is under it. */
  readonly path: string;
  /** What it is for, in words. */
  readonly about: string;
  /** Answered to everybody: probes come under any name, and bring no token. */
  readonly open?: true;
  readonly answer: (request: HttpRequest) => AdminAnswer | Promise<AdminAnswer>;
}

/** A fault goes out with its status. */
export type AdminAnswer = HttpResponse | Fault;

export interface AdminPortOptions {
  readonly settings: Pick<Settings, 'adminToken'>;
  /** Told of those who may not ask, and of which route; null: of none that there is. */
  readonly onDenied: (address: string, code: ErrorCode, path: string | null) => void;
  readonly onRefusal: (code: string) => void;
  readonly onError: (error: unknown) => void;
}

export class AdminPort {
  private readonly routes: AdminRoute[] = [];

  constructor(private readonly options: AdminPortOptions) {
    this.add({
      ...{ method: 'GET', path: ADMIN_PATH, about: 'what there is on this port' },
      answer: () => json({ routes: this.routes.map(({ method, path, about }) => ({ method, path, about })) }),
    });
  }

  /** From now on there is this as well. */
  add(...routes: readonly AdminRoute[]): void {
    this.routes.push(...routes);
  }

  /** Never rejects. */
  async handle(request: HttpRequest): Promise<HttpResponse> {
    try {
      const answer = await this.route(request);
      return 'code' in answer ? this.refuse(answer) : answer;
    } catch (error) {
      this.options.onError(error);
      return this.refuse(fault('internal'));
    }
  }

  private refuse(refused: Fault, headers?: Readonly<Record<string, string>>): HttpResponse {
    this.options.onRefusal(refused.code);
    return { ...json({ error: refused }, ERRORS[refused.code].http), ...(headers !== undefined && { headers }) };
  }

  private route(request: HttpRequest): AdminAnswer | Promise<AdminAnswer> {
    const { path, method } = request;
    const here = this.routes.filter((route) => matches(route.path, path));
    if (here.length === 0 || here.some(({ open }) => open !== true)) {
      const denied = this.denied(request);
      if (denied !== null) {
        this.options.onDenied(request.address, denied.code, here[0]?.path ?? null);
        return this.refuse(denied, denied.code === 'admin-token' ? { 'WWW-Authenticate': 'Bearer' } : undefined);
      }
    }
    const route = here.find((each) => each.method === method);
    if (route !== undefined) return route.answer(request);
    const shown = path.slice(0, PATH_CHARS_MAX);
    if (here.length === 0) return fault('not-found', `${shown}; GET ${ADMIN_PATH} lists what there is`);
    const allowed = here.flatMap((each) => (each.method === 'GET' ? ['GET', 'HEAD'] : [each.method])).join(', ');
    return this.refuse(fault('bad-method', `${shown} takes ${allowed}`), { Allow: allowed });
  }

  /** Why somebody may not ask; null: he may. With a token set, this machine needs it too. */
  private denied(request: HttpRequest): Fault | null {
    const { adminToken } = this.options.settings;
    if (adminToken === '') return isLocalProgram(request) ? null : fault('not-local');
    const brought = bearerOf(request.headers.get('authorization'));
    return brought !== null && isSameText(brought, adminToken) ? null : fault('admin-token');
  }
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith('/:id') ? path.startsWith(pattern.slice(0, -':id'.length)) : pattern === path;
}

/** An answer of the admin port. */
export function json(value: object, status = 200): HttpResponse {
  return { status, body: `${JSON.stringify(value)}\n` };
}
