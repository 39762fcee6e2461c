/** What stands for the server, the page and time in the tests of the UI. */

import type { LiveRequest, Sandbox, Stats, Template } from '../../src/ui/api';
import { untranslated, type Host } from '../../src/ui/host';
import type { Clock } from '../../src/ui/live';
import {
  RequestFailed,
  type LiveConnection,
  type LiveListener,
  type Method,
  type Transport
} from '../../src/ui/transport';

export const NOW = 1_800_000_000; // seconds

export function sandbox(changes: Partial<Sandbox> = {}): Sandbox {
  const id = changes.id ?? '0123456789abcdef0123456789abcdef';
  return {
    id,
    short_id: id.slice(0, 12),
    name: null,
    status: 'active',
    reason: null,
    step: null,
    problem: null,
    stop_at: null,
    exit_code: null,
    template: 'node',
    image: 'node:18-alpine',
    project_id: null,
    ports: [],
    port_map: [],
    working_directory: '/workspace',
    command: null,
    env: [],
    labels: {},
    ttl: 3600,
    timeout: null,
    limits: { memory: null, cpus: null, pids: null },
    link: 'direct',
    stats: null,
    created_at: NOW - 60,
    last_active_at: NOW,
    expires_at: NOW + 3600,
    ...changes
  };
}

/** The id of the sandbox of a number. */
export function id(number: number): string {
  return number.toString(16).padStart(32, '0');
}

export function stats(changes: Partial<Stats> = {}): Stats {
  return {
    time: NOW,
    cpu_percent: 2,
    memory_bytes: 34 << 20,
    memory_peak_bytes: 50 << 20,
    processes: 3,
    network_received_bytes: 0,
    network_sent_bytes: 0,
    disk_bytes: null,
    ...changes
  };
}

export function template(name: string, changes: Partial<Template> = {}): Template {
  const limits = { memory: null, cpus: null, pids: null };
  const image = `${name}:1`;
  const rest = { description: '', ports: [], command: null, ttl: 3600, source: 'built-in' };
  return { name, image, limits, ...rest, ...changes };
}

export function hello(...sandboxes: Sandbox[]) {
  const settings = { default_ttl: 3600, max_sandboxes: 50 };
  return { type: 'hello', version: '0.1.0', time: NOW, settings, sandboxes };
}

/** A clock that stands until it is moved. */
export class FakeClock implements Clock {
  time = NOW * 1000;
  private readonly timers = new Set<{ at: number; callback: () => void }>();

  now = () => this.time;

  after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.time + milliseconds, callback };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };

  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const [next] = [...this.timers].sort((one, other) => one.at - other.at);
      if (next === undefined || next.at > end) {
        break;
      }
      this.timers.delete(next);
      this.time = next.at;
      next.callback();
    }
    this.time = end;
  }
}

/** One connection of the fake transport. */
export class FakeLink implements LiveConnection {
  readonly sent: LiveRequest[] = [];
  isClosed = false;

  constructor(private readonly listener: LiveListener) {}

  send = (message: LiveRequest) => void this.sent.push(message);
  close = () => {
    this.isClosed = true;
  };

  say(...messages: unknown[]): void {
    messages.forEach((each) => this.listener.message(JSON.parse(JSON.stringify(each))));
  }

  end(): void {
    this.listener.closed(null);
  }

  of<T extends LiveRequest['type']>(type: T): Extract<LiveRequest, { type: T }>[] {
    return this.sent.filter((each): each is Extract<LiveRequest, { type: T }> => each.type === type);
  }
}

export interface Asked {
  method: Method;
  path: string;
  body: unknown;
}

type Answer = (asked: Asked) => unknown;

export class FakeTransport implements Transport {
  readonly links: FakeLink[] = [];
  readonly asked: Asked[] = [];
  private readonly answers: [RegExp, Answer][] = [];

  /** Answers requests such as `POST sandbox`; the newest rule that fits holds. */
  on(pattern: RegExp, answer: Answer | object): this {
    const isFunction = typeof answer === 'function';
    this.answers.unshift([pattern, isFunction ? (answer as Answer) : () => answer]);
    return this;
  }

  async request(method: Method, path: string, body?: unknown): Promise<unknown> {
    const asked = { method, path, body };
    this.asked.push(asked);
    const rule = this.answers.find(([pattern]) => pattern.test(`${method} ${path}`));
    if (rule === undefined) {
      throw new Error(`nothing answers ${method} ${path}`);
    }
    const answer = await rule[1](asked);
    return JSON.parse(JSON.stringify(answer));
  }

  read = () => Promise.resolve(new Uint8Array());
  write = () => Promise.resolve({});

  connect(listener: LiveListener): LiveConnection {
    const link = new FakeLink(listener);
    this.links.push(link);
    return link;
  }

  get link(): FakeLink {
    const link = this.links.at(-1);
    if (link === undefined) {
      throw new Error('nothing has connected');
    }
    return link;
  }

  requests(pattern: RegExp): Asked[] {
    return this.asked.filter((each) => pattern.test(`${each.method} ${each.path}`));
  }
}

export function failure(code: string, detail: string, more: object = {}): RequestFailed {
  return new RequestFailed({ code, detail, remedy: 'Do something else.', ...more });
}

export interface FakeHost extends Host {
  readonly opened: string[];
  readonly copied: string[];
  readonly cells: string[];
}

export function fakeHost(changes: Partial<Host> = {}): FakeHost {
  const opened: string[] = [];
  const copied: string[] = [];
  const cells: string[] = [];
  return {
    opened,
    copied,
    cells,
    place: 'panel',
    t: untranslated,
    hostname: 'localhost',
    serverUrl: (path) => `http://localhost:8888${path}`,
    open: (url) => void opened.push(url),
    copy: async (text) => void copied.push(text),
    save: () => {},
    insertCell: (code) => cells.push(code) > 0,
    ...changes
  };
}
