// Owns all contact with uWebSockets.js: the listener, WebSocket upgrades, HTTP requests, and the socket port on top of it.
// Called by the gateway. Invariant: nothing of the library escapes but its sockets in the shape of the port: buffers are copied or
// used at once, and an upgrade or request that was aborted is never answered.

import uWS from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { codecOf, jsonCodec } from '../protocol/codecs.ts';

export interface StreamHandlers<Session> {
  /** `codec` null: none of the offered subprotocols is known, and the socket only lives to be told so. */
  open(socket: Socket, codec: Codec | null, address: string): Session;
  message(session: Session, message: Uint8Array, binary: boolean): void;
  drain(session: Session): void;
  /** A pong, with what its ping carried. */
  pong(session: Session, payload: ArrayBuffer): void;
  close(session: Session): void;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: ReadonlyMap<string, string>;
  /** The peer's address in text form. */
  readonly address: string;
  /**
   * Reads the body; to be called before the handler waits for anything. Null: it is over the limit. A body that nobody
   * asks for is not kept.
   */
  body(): Promise<Uint8Array | null>;
}

export interface HttpResponse {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
  /** More of them; one that is set here replaces its default. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A path that WebSockets are opened at. */
export interface Stream<Session> {
  readonly path: string;
  readonly handlers: StreamHandlers<Session>;
  /** Above the request limit, so that an ordinary oversize is refused with its code instead of a bare 1006. */
  readonly payloadBytesMax: number;
  /** Seconds without a sign of life after which the library ends a connection, having pinged it; 0: the session sees to that. */
  readonly idleSec: number;
  /** What an upgrade is refused with; null: it is granted. Absent: everybody may. */
  readonly refuse?: (request: Pick<HttpRequest, 'headers' | 'address'>) => HttpResponse | null;
}

export interface ServerOptions {
  /** Empty: a server for HTTP alone. */
  readonly streams: readonly Stream<unknown>[];
  /** Never rejects. */
  readonly http: (request: HttpRequest) => Promise<HttpResponse>;
  readonly bodyBytesMax: number;
}

export interface Server {
  /** @returns the port. @throws Error where it is taken. */
  listen(host: string, port: number): number;
  /** Stops listening; open connections stay until they are closed. */
  stopListening(): void;
  /** Closes everything at once. */
  close(): void;
}

/** Never reached: the send queue stops at the first byte that the kernel does not take. */
const BACKPRESSURE_BYTES_MAX = 64 * 1024 * 1024;

/** The library takes host, port and options together; its types know only two of them at a time. */
type ExclusiveListen = (
  host: string,
  port: number,
  options: number,
  done: (socket: uWS.us_listen_socket | false) => void,
) => void;
const LISTEN_EXCLUSIVE_PORT = 1;

interface UserData<Session> {
  readonly codec: Codec | null;
  readonly address: string;
  session: Session | undefined;
}

/** A server that is configured but does not listen yet. */
export function createServer(options: ServerOptions): Server {
  const app = uWS.App();
  let listenSocket: uWS.us_listen_socket | false = false;
  for (const stream of options.streams) addStream(app, stream);
  app.any('/*', (res, req) => answer(res, req, options));
  return {
    listen(host, port) {
      // A port that is taken must be an error: without the flag two gateways would share it unnoticed.
      (app.listen as unknown as ExclusiveListen).call(app, host, port, LISTEN_EXCLUSIVE_PORT, (socket) => {
        listenSocket = socket;
      });
      if (listenSocket === false) throw new Error(`${host}:${port} is taken, or not an address of this machine`);
      return uWS.us_socket_local_port(listenSocket);
    },
    stopListening() {
      if (listenSocket !== false) uWS.us_listen_socket_close(listenSocket);
      listenSocket = false;
    },
    close() {
      app.close();
      listenSocket = false;
    },
  };
}

function addStream<Session>(app: uWS.TemplatedApp, stream: Stream<Session>): void {
  const { path, handlers, payloadBytesMax, idleSec } = stream;
  app.ws<UserData<Session>>(path, {
    compression: uWS.DISABLED,
    maxPayloadLength: payloadBytesMax,
    maxBackpressure: BACKPRESSURE_BYTES_MAX,
    closeOnBackpressureLimit: false,
    // For subscribers the send queue pings, and closes those who do not answer.
    idleTimeout: idleSec,
    sendPingsAutomatically: idleSec > 0,
    upgrade: (res, req, context) => upgrade(res, req, context, stream),
    open: (ws) => {
      const data = ws.getUserData();
      data.session = handlers.open(ws, data.codec, data.address);
    },
    message: (ws, message, binary) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.message(session, new Uint8Array(message), binary);
    },
    drain: (ws) => {
      const { session } = ws.getUserData();
      if (session !== undefined && ws.getBufferedAmount() === 0) handlers.drain(session);
    },
    pong: (ws, payload) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.pong(session, payload);
    },
    close: (ws) => {
      const { session } = ws.getUserData();
      if (session !== undefined) handlers.close(session);
    },
  });
}

function upgrade<Session>(
  res: uWS.HttpResponse,
  req: uWS.HttpRequest,
  context: uWS.us_socket_context_t,
  { refuse }: Stream<Session>,
): void {
  // The answer is given within this call; the handler is there because the library demands one.
  res.onAborted(() => {});
  // RFC 6455 section 4.4: another version is refused, naming the one that is spoken.
  if (req.getHeader('sec-websocket-version') !== '13') {
    res.writeStatus('426 Upgrade Required').writeHeader('Sec-WebSocket-Version', '13').end();
    return;
  }
  const address = Buffer.from(res.getRemoteAddressAsText()).toString();
  const refused = refuse?.({ headers: headersOf(req), address }) ?? null;
  if (refused !== null) {
    const { status, contentType, body } = refused;
    res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
    res.writeHeader('Content-Type', contentType ?? 'application/json').end(body);
    return;
  }
  const offered = subprotocolsOf(req);
  const known = offered.find((name) => codecOf(name) !== undefined);
  const codec = offered.length === 0 ? jsonCodec : known === undefined ? null : (codecOf(known) ?? null);
  const data: UserData<Session> = {
    codec,
    address,
    session: undefined,
  };
  res.upgrade(
    data,
    req.getHeader('sec-websocket-key'),
    known ?? offered[0] ?? '',
    req.getHeader('sec-websocket-extensions'),
    context,
  );
}

/** In the client's order; the header may be there more than once (RFC 6455 section 11.3.4). */
function subprotocolsOf(req: uWS.HttpRequest): string[] {
  const offered: string[] = [];
  req.forEach((name, value) => {
    if (name === 'sec-websocket-protocol') offered.push(...value.split(',').map((each) => each.trim()));
  });
  return offered.filter((each) => each !== '');
}

function headersOf(req: uWS.HttpRequest): Map<string, string> {
  const headers = new Map<string, string>();
  req.forEach((name, value) => {
    headers.set(name, value);
  });
  return headers;
}

function answer(res: uWS.HttpResponse, req: uWS.HttpRequest, options: ServerOptions): void {
  let over = false;
  res.onAborted(() => {
    over = true;
  });
  const headers = headersOf(req);
  const method = req.getMethod().toUpperCase();
  const request: HttpRequest = {
    // What HEAD is answered with differs from GET in nothing but the body.
    method: method === 'HEAD' ? 'GET' : method,
    path: req.getUrl(),
    query: new URLSearchParams(req.getQuery() ?? ''),
    headers,
    address: Buffer.from(res.getRemoteAddressAsText()).toString(),
    body: () => readBody(res, Number(headers.get('content-length') ?? 0), options.bodyBytesMax),
  };
  void options.http(request).then(({ status, contentType, body, headers: more }) => {
    if (over) return;
    over = true;
    res.cork(() => {
      res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
      res.writeHeader('Content-Type', contentType ?? 'application/json');
      for (const [name, value] of Object.entries({ 'Cache-Control': 'no-store', ...more }))
        res.writeHeader(name, value);
      if (status === 304) res.endWithoutBody();
      else if (method === 'HEAD') res.endWithoutBody(Buffer.byteLength(body));
      else res.end(body);
    });
  });
}

/** The rest of what is too long is received and dropped, so that the answer reaches a client that is still sending. */
function readBody(res: uWS.HttpResponse, announcedBytes: number, bytesMax: number): Promise<Uint8Array | null> {
  if (announcedBytes > bytesMax) return Promise.resolve(null);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    res.onData((chunk, isLast) => {
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) chunks.push(Buffer.from(new Uint8Array(chunk)));
      else chunks.length = 0;
      if (bytes > bytesMax) resolve(null);
      else if (isLast) resolve(Buffer.concat(chunks));
    });
  });
}
