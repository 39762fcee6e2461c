/**
 * The live connection: one websocket that is made again whenever it ends, and the logs that are
 * followed on it. It knows neither the page nor what is shown.
 */

import { signal, type ReadonlySignal } from './signals';

import type { LiveMessage, LiveRequest, LogEntry, Problem } from './api';
import { liveMessage, type Decode } from './guards';
import type { LiveConnection, Transport } from './transport';

/** Milliseconds between two attempts: doubled from the first to the last. */
const BACKOFF = { first: 250, last: 5000 };
/** Milliseconds of silence after which a connection counts as lost; the server ticks every 5 s. */
const SILENCE = 15_000;

/** Time, as the page has it; tests have their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back after so many milliseconds, unless what it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const pageClock: Clock = {
  now: () => Date.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  }
};

export type Connection =
  | { state: 'connecting' }
  | { state: 'open' }
  /** It was lost, or never made; `retryAt` is milliseconds since 1970. */
  | { state: 'lost'; problem: Problem | null; since: number; retryAt: number };

export interface LogRequest {
  /** Begin with so many last lines; null: with all. */
  tail: number | null;
  /** Begin after this entry; null: with the first. */
  after: number | null;
  follow: boolean;
}

export interface LogSink {
  entries(list: LogEntry[]): void;
  end(reason: string): void;
  problem(problem: Problem): void;
}

/** Follows the log of a sandbox until what it returns is called. */
export type OpenLog = (ref: string, request: LogRequest, sink: LogSink) => () => void;

interface Log {
  ref: string;
  request: LogRequest;
  sink: LogSink;
  /** By which the server knows it on this connection; null while there is none. */
  id: number | null;
  last: number | null;
  decoders: Map<string, TextDecoder>;
}

export class Live {
  readonly connection: ReadonlySignal<Connection>;
  private readonly current = signal<Connection>({ state: 'connecting' });
  private link: LiveConnection | null = null;
  private attempt = 0;
  private delay = BACKOFF.first;
  private lostSince: number | null = null;
  private watched = false;
  private nextLog = 1;
  private readonly logs = new Set<Log>();
  private cancelRetry = () => {};
  private cancelWatchdog = () => {};

  constructor(
    private readonly transport: Transport,
    /** Hears everything but logs; `hello` is the whole truth again. */
    private readonly hear: (message: LiveMessage) => void,
    private readonly clock: Clock = pageClock
  ) {
    this.connection = this.current;
  }

  /** Connects, at once: also while it waits for the next attempt. */
  start(): void {
    if (this.link !== null) {
      return;
    }
    this.cancelRetry();
    const attempt = ++this.attempt;
    const isCurrent = () => attempt === this.attempt;
    this.heard();
    try {
      const link = this.transport.connect({
        message: (value) => isCurrent() && this.receive(value),
        closed: (problem) => isCurrent() && this.lose(problem)
      });
      if (isCurrent()) {
        this.link = link;
      }
    } catch {
      this.lose(null);
    }
  }

  /** Closes the connection for good, or until the next `start`. */
  stop(): void {
    this.attempt++;
    this.cancelRetry();
    this.cancelWatchdog();
    this.link?.close();
    this.link = null;
    this.unbindLogs();
    this.current.value = { state: 'connecting' };
  }

  /** Whether the usage of the sandboxes is to be pushed. */
  watch(stats: boolean): void {
    if (stats !== this.watched) {
      this.watched = stats;
      this.send({ type: 'watch', stats });
    }
  }

  readonly openLog: OpenLog = (ref, request, sink) => {
    const log: Log = { ref, request, sink, id: null, last: request.after, decoders: new Map() };
    this.logs.add(log);
    this.bind(log);
    return () => {
      if (this.logs.delete(log) && log.id !== null) {
        this.send({ type: 'close', id: log.id });
      }
    };
  };

  private send(message: LiveRequest): void {
    if (this.current.value.state === 'open') {
      this.link?.send(message);
    }
  }

  private receive(value: unknown): void {
    this.heard();
    const message = liveMessage(value, this.decode);
    if (message === null) {
      return;
    }
    switch (message.type) {
      case 'hello':
        this.opened();
        this.hear(message);
        break;
      case 'log':
        this.take(message.id, message.entries);
        break;
      case 'log_end':
        this.finish(message.id, (sink) => sink.end(message.end));
        break;
      case 'problem':
        this.finish(message.id, (sink) => sink.problem(message.problem));
        break;
      default:
        this.hear(message);
    }
  }

  /** The first message says that what is sent now arrives. */
  private opened(): void {
    this.delay = BACKOFF.first;
    this.lostSince = null;
    this.unbindLogs();
    this.current.value = { state: 'open' };
    if (this.watched) {
      this.send({ type: 'watch', stats: true });
    }
    this.logs.forEach((log) => this.bind(log));
  }

  private lose(problem: Problem | null): void {
    this.attempt++;
    this.cancelWatchdog();
    this.link = null;
    this.unbindLogs();
    const now = this.clock.now();
    this.lostSince ??= now;
    this.current.value = {
      state: 'lost',
      problem,
      since: this.lostSince,
      retryAt: now + this.delay
    };
    this.cancelRetry = this.clock.after(this.delay, () => this.start());
    this.delay = Math.min(this.delay * 2, BACKOFF.last);
  }

  private heard(): void {
    this.cancelWatchdog();
    this.cancelWatchdog = this.clock.after(SILENCE, () => {
      const link = this.link;
      this.lose(null);
      link?.close();
    });
  }

  // -- logs --

  private bind(log: Log): void {
    if (this.current.value.state !== 'open') {
      return;
    }
    const resumes = log.last !== null;
    log.id = this.nextLog++;
    this.send({
      type: 'logs',
      id: log.id,
      ref: log.ref,
      tail: resumes ? null : log.request.tail,
      after: log.last,
      follow: log.request.follow
    });
  }

  private unbindLogs(): void {
    this.logs.forEach((log) => {
      log.id = null;
    });
  }

  private find(id: number | null): Log | undefined {
    return id === null ? undefined : [...this.logs].find((log) => log.id === id);
  }

  private take(id: number, entries: LogEntry[]): void {
    const log = this.find(id);
    if (log === undefined) {
      return; // it was closed just now
    }
    const last = entries.at(-1);
    if (last !== undefined) {
      log.last = last.seq;
      log.sink.entries(entries);
    }
    if (log.id === id) {
      this.send({ type: 'ack', id });
    }
  }

  private finish(id: number | null, tell: (sink: LogSink) => void): void {
    const log = this.find(id);
    if (log !== undefined) {
      this.logs.delete(log);
      tell(log.sink);
    }
  }

  /** A character may lie in two entries: what is missing of it waits for the next one. */
  private readonly decode: Decode = (bytes, id, stream) => {
    const decoders = this.find(id)?.decoders;
    const decoder = decoders?.get(stream) ?? new TextDecoder();
    decoders?.set(stream, decoder);
    return decoder.decode(bytes, { stream: true });
  };
}
