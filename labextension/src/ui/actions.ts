/** What the UI asks of the server. Failures end as a problem beside the row that they are about. */

import { batch, signal, type ReadonlySignal, type Signal } from './signals';

import type { CreateRequest, PortMapping, Problem, Sandbox, SandboxEvent, Template } from './api';
import * as guards from './guards';
import type { Host } from './host';
import { linkUrl } from './links';
import { hasEnded, type State } from './state';
import { RequestFailed, type Transport } from './transport';

/** Seconds in which a stop can be taken back. */
export const UNDO = 5;
const PAGE = 50;

/** What is under way for a sandbox, and what went wrong last. */
export interface Note {
  busy: string | null;
  problem: Problem | null;
}

const QUIET: Note = { busy: null, problem: null };

export interface Cache {
  bytes: number | null;
  entries: number | null;
}

export interface Templates {
  list: readonly Template[];
  /** What is wrong with the files of those that cannot be used. */
  problems: readonly Problem[];
}

export class Actions {
  readonly templates: ReadonlySignal<Templates | null>;
  readonly templatesProblem: ReadonlySignal<Problem | null>;
  /** Whether there may be older ones of the history than are known. */
  readonly moreHistory: ReadonlySignal<boolean>;
  /** A sentence that said what was done, for a moment. */
  readonly said = signal('');

  private readonly known = signal<Templates | null>(null);
  private readonly unknown = signal<Problem | null>(null);
  private readonly more = signal(true);
  private cursor: string | null = null;
  private readonly notes = new Map<string, Signal<Note>>();
  /** In memory only: an environment may hold secrets. */
  private readonly requests = new Map<string, CreateRequest>();

  constructor(
    private readonly transport: Transport,
    private readonly state: State,
    private readonly host: Host
  ) {
    this.templates = this.known;
    this.templatesProblem = this.unknown;
    this.moreHistory = this.more;
  }

  note(id: string): ReadonlySignal<Note> {
    return this.noteOf(id);
  }

  clearProblem(id: string): void {
    const note = this.noteOf(id);
    note.value = { ...note.value, problem: null };
  }

  async loadTemplates(): Promise<void> {
    try {
      const answer = object(await this.transport.request('GET', 'templates'));
      batch(() => {
        this.known.value = {
          list: guards.list(answer['templates'], guards.template),
          problems: guards.list(answer['problems'], guards.problem)
        };
        this.unknown.value = null;
      });
    } catch (error) {
      this.unknown.value = problemOf(error);
    }
  }

  /** Returns the new sandbox, which is being created. Rejects with RequestFailed. */
  async create(request: CreateRequest): Promise<Sandbox> {
    const body = { ...request, wait: false };
    const sandbox = sandboxOf(await this.transport.request('POST', 'sandbox', body));
    this.requests.set(sandbox.id, request);
    this.state.take([sandbox]);
    return sandbox;
  }

  /** The request by which this page has created a sandbox. */
  requestOf(id: string): CreateRequest | undefined {
    return this.requests.get(id);
  }

  /** Creates again what failed; null where that failed too, which its note says. */
  async retry(sandbox: Sandbox): Promise<Sandbox | null> {
    const request = this.requests.get(sandbox.id);
    let created: Sandbox | null = null;
    if (request !== undefined) {
      await this.during(sandbox.id, 'retry', async () => {
        created = await this.create(request);
        this.state.dismiss(sandbox.id);
      });
    }
    return created;
  }

  /** Has it stopped in a few seconds, so that `keep` can take it back; one being created at once. */
  stop(sandbox: Sandbox): Promise<void> {
    const after = sandbox.status === 'creating' ? '' : `?after=${UNDO}`;
    return this.change(sandbox, 'stop', 'DELETE', after);
  }

  keep(sandbox: Sandbox): Promise<void> {
    return this.change(sandbox, 'keep', 'POST', '/keep');
  }

  pause(sandbox: Sandbox): Promise<void> {
    return this.change(sandbox, 'pause', 'POST', '/pause');
  }

  resume(sandbox: Sandbox): Promise<void> {
    return this.change(sandbox, 'resume', 'POST', '/resume', { wait: false });
  }

  /** Has it live at least that long from now: seconds, or text such as `2h`. */
  extend(sandbox: Sandbox, ttl: number | string): Promise<void> {
    return this.change(sandbox, 'extend', 'POST', '/extend', { ttl });
  }

  /** Adds seconds to the time that it has left. */
  addTime(sandbox: Sandbox, seconds: number): Promise<void> {
    this.state.tick(); // nobody may have looked for a while
    const left = Math.max(0, sandbox.expires_at - this.state.now.peek());
    return this.extend(sandbox, Math.ceil(left + seconds));
  }

  /** Opens a port's page through the server, which is asked for a link without a login. */
  async openPort(sandbox: Sandbox, mapping: PortMapping): Promise<void> {
    await this.during(sandbox.id, 'link', async () => {
      const path = `sandbox/${sandbox.id}/ports/${mapping.port}/link`;
      const answer = object(await this.transport.request('POST', path, {}));
      const url = linkUrl(answer['path'], this.host);
      if (url === null) {
        throw unreadable();
      }
      this.host.open(url);
    });
  }

  async openTerminal(sandbox: Sandbox): Promise<void> {
    await this.during(sandbox.id, 'terminal', async () => this.host.openTerminal?.(sandbox));
  }

  async copy(text: string): Promise<void> {
    const t = this.host.t;
    try {
      await this.host.copy(text);
      this.say(t('Copied: %1', text));
    } catch {
      this.say(t('The browser did not allow to copy. Copy it by hand: %1', text));
    }
  }

  insertCell(code: string): void {
    const t = this.host.t;
    const inserted = this.host.insertCell?.(code) ?? false;
    this.say(inserted ? t('Inserted a cell.') : t('No notebook is open. Open one and try again.'));
  }

  say(sentence: string): void {
    this.said.value = sentence;
  }

  /** Rejects with RequestFailed. */
  async events(sandbox: Sandbox): Promise<SandboxEvent[]> {
    const answer = object(await this.transport.request('GET', `sandbox/${sandbox.id}/events`));
    return guards.list(answer['events'], guards.sandboxEvent);
  }

  /** Reads the next older part of the history. Rejects with RequestFailed. */
  async loadHistory(): Promise<void> {
    const cursor = this.cursor === null ? '' : `&cursor=${encodeURIComponent(this.cursor)}`;
    const path = `sandbox?status=terminated,failed&limit=${PAGE}${cursor}`;
    const answer = object(await this.transport.request('GET', path));
    const before = this.state.ended.peek().length;
    this.state.take(guards.sandboxes(answer['sandboxes']));
    this.cursor = guards.text(answer['next']);
    this.more.value = this.cursor !== null;
    if (this.more.value && this.state.ended.peek().length === before) {
      await this.loadHistory(); // the live connection had told all of this page
    }
  }

  // -- the engine; all reject with RequestFailed --

  async cache(): Promise<Cache> {
    const answer = object(await this.transport.request('GET', 'engine/cache'));
    const cache = object(answer['cache']);
    return { bytes: guards.finite(cache['bytes']), entries: guards.finite(cache['entries']) };
  }

  /** Returns how many bytes are free again; null where that is not known. */
  async cleanCache(): Promise<number | null> {
    const answer = await this.transport.request('POST', 'engine/cache/clean', {});
    return guards.finite(object(answer)['freed_bytes']);
  }

  async installEngine(): Promise<void> {
    await this.transport.request('POST', 'engine/install', {});
  }

  async loadEngine(): Promise<void> {
    const answer = object(await this.transport.request('GET', 'engine'));
    const engine = guards.engine(answer['engine']);
    if (engine !== null) {
      const setup = this.state.engine.peek()?.setup ?? null;
      this.state.hear({ type: 'engine', engine: { ...engine, setup: engine.setup ?? setup } });
    }
  }

  private async change(
    sandbox: Sandbox,
    what: string,
    method: 'POST' | 'DELETE',
    path: string,
    body?: unknown
  ): Promise<void> {
    await this.during(sandbox.id, what, async () => {
      const sent = method === 'POST' ? (body ?? {}) : undefined;
      const answer = await this.transport.request(method, `sandbox/${sandbox.id}${path}`, sent);
      this.state.take([sandboxOf(answer)]);
    });
  }

  /** Does one thing at a time for a sandbox; a problem is kept in its note. */
  private async during(id: string, what: string, work: () => Promise<unknown>): Promise<void> {
    const note = this.noteOf(id);
    if (note.value.busy === what) {
      return; // a second click
    }
    note.value = { busy: what, problem: null };
    try {
      await work();
      note.value = QUIET;
    } catch (error) {
      const row = this.state.row(id)?.peek();
      const isOver = what === 'stop' && row !== undefined && hasEnded(row.status);
      note.value = isOver ? QUIET : { busy: null, problem: problemOf(error) };
    }
  }

  private noteOf(id: string): Signal<Note> {
    let note = this.notes.get(id);
    if (note === undefined) {
      note = signal(QUIET);
      this.notes.set(id, note);
    }
    return note;
  }
}

/** What a failure says to the user. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RequestFailed) {
    return error.problem;
  }
  const said = error instanceof Error ? error.message : String(error);
  return { code: 'internal', detail: said, remedy: '' };
}

function object(value: unknown): guards.Json {
  return guards.isObject(value) ? value : {};
}

function sandboxOf(answer: unknown): Sandbox {
  const sandbox = guards.sandbox(object(answer)['sandbox']);
  if (sandbox === null) {
    throw unreadable();
  }
  return sandbox;
}

function unreadable(): RequestFailed {
  return new RequestFailed(guards.problem(null));
}
