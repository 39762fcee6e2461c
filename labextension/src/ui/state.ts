/**
 * What the UI knows, as signals: a signal for each sandbox, so that a change of one repaints one
 * row. It only takes in; what is done, and asked for, is in `actions.ts`.
 */

import { batch, computed, signal, type ReadonlySignal, type Signal } from './signals';

import type { Engine, LiveMessage, Sandbox, ServerSettings, Stats, Status } from './api';
import type { Connection } from './live';

/** Samples of the usage that are kept of each sandbox: two minutes, at one each two seconds. */
export const SAMPLES = 60;

export type SortKey = 'created' | 'name' | 'left' | 'cpu' | 'memory';
export type StatusFilter = 'all' | 'creating' | 'active' | 'paused' | 'failed';

export function hasEnded(status: Status): boolean {
  return status === 'terminated' || status === 'failed';
}

/** What a sandbox is called: its name, else its short id. */
export function called(sandbox: Sandbox): string {
  return sandbox.name ?? sandbox.short_id;
}

export class State {
  /** Whether the server has said what there is, at least once. */
  readonly loaded = signal(false);
  readonly settings = signal<ServerSettings | null>(null);
  readonly version = signal('');
  readonly engine = signal<Engine | null>(null);
  /** Seconds since 1970 by the server's clock, a step each second. */
  readonly now: ReadonlySignal<number>;
  readonly filter = signal('');
  readonly statusFilter = signal<StatusFilter>('all');
  readonly sortKey = signal<SortKey>('created');
  /** The sandboxes that are creating, active or paused, and those that failed before our eyes. */
  readonly current: ReadonlySignal<readonly string[]>;
  /** Those of them that the filters let through, sorted. */
  readonly visible: ReadonlySignal<readonly string[]>;
  /** Those that have ended, newest first. */
  readonly ended: ReadonlySignal<readonly string[]>;
  /** All that are known: for status bars and lists of a host's own. */
  readonly sandboxes: ReadonlySignal<readonly Sandbox[]>;
  /** How many are active. */
  readonly active: ReadonlySignal<number>;
  /** The newest change as a sentence's parts, for those who don't see it. */
  readonly change = signal<{ sandbox: Sandbox; before: Status | null } | null>(null);

  private readonly rows = new Map<string, Signal<Sandbox>>();
  private readonly usage = new Map<string, Signal<readonly Stats[]>>();
  private readonly ids = signal<readonly string[]>([]);
  /** Failed ones that stay in the list until they are dismissed. */
  private readonly kept = signal<ReadonlySet<string>>(new Set());
  private readonly offset = signal(0);
  private readonly pageTime: Signal<number>;

  constructor(
    readonly connection: ReadonlySignal<Connection>,
    private readonly pageNow: () => number = () => Date.now()
  ) {
    this.pageTime = signal(pageNow());
    this.now = computed(() => this.pageTime.value / 1000 + this.offset.value);
    this.sandboxes = computed(() => this.ids.value.flatMap((id) => this.rows.get(id)?.value ?? []));
    this.active = computed(() => count(this.sandboxes.value, 'active'));
    this.current = stable(() =>
      this.sandboxes.value.filter((each) => this.isCurrent(each)).map((each) => each.id)
    );
    this.visible = stable(() => this.select());
    this.ended = stable(() =>
      this.sandboxes.value
        .filter((each) => !this.isCurrent(each))
        .sort((one, other) => other.created_at - one.created_at)
        .map((each) => each.id)
    );
  }

  /** The sandbox's own signal; undefined where it is not known. */
  row(id: string): ReadonlySignal<Sandbox> | undefined {
    return this.rows.get(id);
  }

  /** Reads a sandbox, and subscribes whoever reads to its coming, changes and going. */
  get(id: string): Sandbox | undefined {
    return this.ids.value.includes(id) ? this.rows.get(id)?.value : undefined;
  }

  /** The newest samples of a sandbox's usage, oldest first. */
  samples(id: string): ReadonlySignal<readonly Stats[]> {
    return this.samplesOf(id);
  }

  /** Moves the clock on: called each second while somebody looks. */
  tick(): void {
    this.pageTime.value = this.pageNow();
  }

  /** Takes in a message of the live connection. */
  hear(message: LiveMessage): void {
    batch(() => {
      switch (message.type) {
        case 'hello':
          this.tick();
          this.offset.value = message.time - this.pageNow() / 1000;
          this.version.value = message.version;
          this.settings.value = message.settings;
          this.replace(message.sandboxes);
          this.loaded.value = true;
          break;
        case 'sandboxes':
          this.take(message.sandboxes);
          break;
        case 'stats':
          Object.entries(message.stats).forEach(([id, sample]) => this.sample(id, sample));
          break;
        case 'engine':
          this.engine.value = message.engine;
          break;
      }
    });
  }

  /** Takes in sandboxes that changed, or that were asked for. */
  take(sandboxes: readonly Sandbox[]): void {
    batch(() => {
      const added = sandboxes.filter((each) => this.put(each)).map((each) => each.id);
      if (added.length > 0) {
        this.ids.value = [...this.ids.value, ...added];
      }
    });
  }

  /** Lets a failed one go to the history. */
  dismiss(id: string): void {
    this.kept.value = new Set([...this.kept.value].filter((each) => each !== id));
  }

  /** Whether a sandbox is in the list, and not in the history. */
  isCurrent(sandbox: Sandbox): boolean {
    return !hasEnded(sandbox.status) || this.kept.value.has(sandbox.id);
  }

  private replace(sandboxes: readonly Sandbox[]): void {
    const told = new Set(sandboxes.map((each) => each.id));
    // Ended ones never change: what was read of the history stays.
    const gone = this.ids.value.filter((id) => {
      const row = this.rows.get(id);
      return !told.has(id) && row !== undefined && !hasEnded(row.value.status);
    });
    gone.forEach((id) => this.forget(id));
    this.ids.value = this.ids.value.filter((id) => this.rows.has(id));
    this.take(sandboxes);
  }

  private forget(id: string): void {
    this.rows.delete(id);
    this.usage.delete(id);
    this.dismiss(id);
  }

  /** Returns whether the sandbox was not known before. */
  private put(sandbox: Sandbox): boolean {
    if (sandbox.stats !== null) {
      this.sample(sandbox.id, sandbox.stats);
    }
    const row = this.rows.get(sandbox.id);
    if (row === undefined) {
      this.rows.set(sandbox.id, signal(sandbox));
      if (this.loaded.value && !hasEnded(sandbox.status)) {
        this.change.value = { sandbox, before: null };
      }
      return true;
    }
    const before = row.peek();
    if (hasEnded(before.status) && !hasEnded(sandbox.status)) {
      return false; // an answer that was overtaken by what came after it
    }
    if (!isSame(before, sandbox)) {
      row.value = sandbox;
    }
    if (before.status !== sandbox.status) {
      this.change.value = { sandbox, before: before.status };
      if (sandbox.status === 'failed') {
        this.kept.value = new Set([...this.kept.value, sandbox.id]);
      }
      if (hasEnded(sandbox.status)) {
        this.usage.delete(sandbox.id);
      }
    }
    return false;
  }

  private sample(id: string, sample: Stats): void {
    const samples = this.samplesOf(id);
    if (samples.peek().at(-1)?.time !== sample.time) {
      samples.value = [...samples.peek().slice(1 - SAMPLES), sample];
    }
  }

  private samplesOf(id: string): Signal<readonly Stats[]> {
    let samples = this.usage.get(id);
    if (samples === undefined) {
      samples = signal([]);
      this.usage.set(id, samples);
    }
    return samples;
  }

  private select(): string[] {
    const status = this.statusFilter.value;
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = this.current.value
      .flatMap((id) => this.rows.get(id)?.value ?? [])
      .filter((each) => status === 'all' || each.status === status)
      .filter((each) => words.every((word) => searched(each).includes(word)));
    return chosen.sort(this.order()).map((each) => each.id);
  }

  private order(): (one: Sandbox, other: Sandbox) => number {
    const byAge = (one: Sandbox, other: Sandbox) =>
      other.created_at - one.created_at || (one.id < other.id ? -1 : 1);
    const newest = (id: string) => this.samplesOf(id).value.at(-1);
    switch (this.sortKey.value) {
      case 'name':
        return (one, other) => called(one).localeCompare(called(other)) || byAge(one, other);
      case 'left':
        return (one, other) => one.expires_at - other.expires_at || byAge(one, other);
      case 'cpu':
        return (one, other) =>
          (newest(other.id)?.cpu_percent ?? -1) - (newest(one.id)?.cpu_percent ?? -1) ||
          byAge(one, other);
      case 'memory':
        return (one, other) =>
          (newest(other.id)?.memory_bytes ?? -1) - (newest(one.id)?.memory_bytes ?? -1) ||
          byAge(one, other);
      default:
        return byAge;
    }
  }
}

/** A list of ids that counts as changed only where it is another one: rows stay as they are. */
function stable(compute: () => string[]): ReadonlySignal<readonly string[]> {
  let last: readonly string[] = [];
  return computed(() => {
    const next = compute();
    if (next.length !== last.length || next.some((id, index) => id !== last[index])) {
      last = next;
    }
    return last;
  });
}

function count(sandboxes: readonly Sandbox[], status: Status): number {
  return sandboxes.filter((each) => each.status === status).length;
}

function searched(sandbox: Sandbox): string {
  const ports = sandbox.port_map.map((each) => `:${each.port}`);
  const parts = [sandbox.id, sandbox.name, sandbox.template, sandbox.image, sandbox.project_id];
  return [...parts, ...ports].filter(Boolean).join(' ').toLowerCase();
}

/** Whether two states of a sandbox look the same; its usage has a signal of its own. */
function isSame(one: Sandbox, other: Sandbox): boolean {
  const without = (sandbox: Sandbox) => JSON.stringify({ ...sandbox, stats: null });
  return without(one) === without(other);
}
