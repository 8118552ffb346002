// Owns a make-believe exchange on a real socket: plays a tape to whoever subscribes, in a venue's dialect, and breaks what a
// test wants broken. Its books are naive ones. Invariant: a snapshot that it states is the book as of the last step.

import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Dialect, ServedBook } from './dialects.ts';
import { NaiveKrakenBook } from './naive.ts';
import type { BookStep, Step, Tape } from './tapes.ts';

/** What becomes of one message: it is left out, sent twice, or its checksum is one too high. */
export type Mishap = 'gap' | 'duplicate' | 'checksum';

interface Client {
  readonly socket: WebSocket;
  /** Whose books it hears of. */
  readonly symbols: Set<string>;
  /** Whose trades it hears of: they were asked for with the book, and are never ended. */
  readonly traded: Set<string>;
}

const running = new Set<ExchangeServer>();

export class ExchangeServer {
  readonly books = new Map<string, ServedBook>();
  /** Requests of clients, as they came. */
  readonly requests: string[] = [];
  /** `connection`, `request`, `close`: of any client. */
  readonly events = new EventEmitter();
  /** Nothing is answered or sent any more, while connections stay open. */
  mute = false;
  connections = 0;
  private readonly clients = new Set<Client>();
  private held: (() => void)[] | null = null;
  private place = 0;
  private port = 0;
  private http: Server | null = null;

  private constructor(
    readonly dialect: Dialect,
    readonly tape: Tape,
  ) {
    for (const begin of tape.begin) {
      this.books.set(begin.symbol, {
        book: new NaiveKrakenBook(),
        told: new NaiveKrakenBook(),
        updates: 0,
        trades: 1_000,
      });
      this.apply(begin, true);
    }
  }

  static async start(dialect: Dialect, tape: Tape): Promise<ExchangeServer> {
    const server = new ExchangeServer(dialect, tape);
    await server.listen();
    running.add(server);
    return server;
  }

  static async stopAll(): Promise<void> {
    for (const server of running) await server.stop();
    running.clear();
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}${this.dialect.path}`;
  }

  /** Listens, on the same port as before. */
  async listen(): Promise<void> {
    const http = createServer((request, response) => {
      this.took(`GET ${request.url}`);
      const body = this.dialect.http(request.url ?? '', this.books);
      const answer = () => {
        // What was held is as of now.
        const fresh = body === null ? null : this.dialect.http(request.url ?? '', this.books);
        response.writeHead(fresh === null ? 404 : 200, { 'content-type': 'application/json' }).end(fresh ?? '{}');
      };
      if (/\/depth/.test(request.url ?? '')) this.whenReleased(answer);
      else answer();
    });
    new WebSocketServer({ server: http }).on('connection', (socket) => this.open(socket));
    http.listen(this.port, '127.0.0.1');
    await once(http, 'listening');
    this.port = (http.address() as AddressInfo).port;
    this.http = http;
  }

  /** Nobody is served any more; `listen` undoes it. */
  async stop(): Promise<void> {
    this.cut();
    const { http } = this;
    this.http = null;
    if (http === null) return;
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  }

  /** Ends all connections as a broken line would. */
  cut(): void {
    for (const { socket } of this.clients) socket.terminate();
    this.clients.clear();
  }

  /** Sends a text to every client. */
  say(text: string): void {
    for (const { socket } of this.clients) socket.send(text);
  }

  /** Snapshots wait from now on, until `release`. */
  hold(): void {
    this.held ??= [];
  }

  release(): void {
    const waiting = this.held ?? [];
    this.held = null;
    for (const answer of waiting) answer();
  }

  get left(): number {
    return this.tape.steps.length - this.place;
  }

  /** Plays so many steps. */
  play(count: number): void {
    for (let played = 0; played < count; played++) this.take(this.next(), null);
  }

  /** Plays up to the first step of that kind, and breaks that one. @returns its symbol. */
  playBroken(mishap: Mishap, kind: Step['kind']): string {
    for (;;) {
      const step = this.next();
      this.take(step, step.kind === kind ? mishap : null);
      if (step.kind === kind) return step.symbol;
    }
  }

  /**
   * Leaves out steps of that kind, each followed by one that is sent, until a subscriber can tell: by the checksum where
   * the dialect has one, else at once. @returns the symbol.
   */
  playGap(kind: Step['kind'], byChecksum: boolean): string {
    for (;;) {
      const symbol = this.playBroken('gap', kind);
      for (let next: Step | null = null; next?.symbol !== symbol || next.kind !== kind; ) {
        next = this.next();
        this.take(next, null);
      }
      const { book, told } = this.books.get(symbol)!;
      if (!byChecksum || book.checksum() !== told.checksum()) return symbol;
    }
  }

  /** Resolves with the next request that matches. */
  asked(pattern: RegExp): Promise<string> {
    return new Promise((resolve) => {
      // Several may come in one turn: `once` would miss those after the first.
      const take = (request: string): void => {
        if (!pattern.test(request)) return;
        this.events.off('request', take);
        resolve(request);
      };
      this.events.on('request', take);
    });
  }

  private next(): Step {
    const step = this.tape.steps[this.place++];
    if (step === undefined) throw new Error('the tape is at its end');
    return step;
  }

  private take(step: Step, mishap: Mishap | null): void {
    this.apply(step, mishap !== 'gap');
    this.tell(step, mishap);
  }

  private apply(step: Step, told: boolean): void {
    const served = this.books.get(step.symbol)!;
    if (step.kind === 'trade') {
      served.trades += 1;
      return;
    }
    for (const book of told ? [served.book, served.told] : [served.book]) {
      for (const [price, size] of step.bids) book.set(book.bids, price, size);
      for (const [price, size] of step.asks) book.set(book.asks, price, size);
      book.truncate(this.dialect.depthLevels);
    }
    served.updates += 1;
  }

  private tell(step: Step, mishap: Mishap | null): void {
    if (mishap === 'gap' || this.mute) return;
    const text = this.textOf(step, mishap === 'checksum' ? 1 : 0);
    if (text === null) return;
    for (const { socket, symbols, traded } of this.clients) {
      if (!(step.kind === 'trade' ? traded : symbols).has(step.symbol)) continue;
      socket.send(text);
      if (mishap === 'duplicate') socket.send(text);
    }
  }

  private textOf(step: Step, checksumError: number): string | null {
    const served = this.books.get(step.symbol)!;
    return step.kind === 'trade'
      ? this.dialect.trade(step, served)
      : this.dialect.change(step as BookStep, served, checksumError);
  }

  private open(socket: WebSocket): void {
    const client: Client = { socket, symbols: new Set(), traded: new Set() };
    this.clients.add(client);
    this.connections += 1;
    socket.on('message', (data) => this.answer(client, data.toString()));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.clients.delete(client);
      this.events.emit('close');
    });
    this.events.emit('connection');
  }

  private answer(client: Client, request: string): void {
    this.took(request);
    if (this.mute) return;
    const { begin = [], end = [], replies = [] } = this.dialect.ask(JSON.parse(request), this.books);
    for (const reply of replies) client.socket.send(reply);
    for (const symbol of end) client.symbols.delete(symbol);
    for (const symbol of begin) {
      client.traded.add(symbol);
      if (client.symbols.has(symbol)) throw new Error(`${symbol} is subscribed to already`);
      this.dialect.snapshot(symbol, this.books.get(symbol)!) === null
        ? client.symbols.add(symbol)
        : this.whenReleased(() => this.begin(client, symbol));
    }
  }

  private begin(client: Client, symbol: string): void {
    client.symbols.add(symbol);
    client.socket.send(this.dialect.snapshot(symbol, this.books.get(symbol)!)!);
  }

  private whenReleased(answer: () => void): void {
    if (this.held === null) answer();
    else this.held.push(answer);
  }

  private took(request: string): void {
    this.requests.push(request);
    this.events.emit('request', request);
  }
}
