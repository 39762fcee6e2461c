/**
 * The way between one view of a page and the kernel: messages, the numbers by which one that was
 * lost is noticed, and what it means that no answer comes.
 */

import { isObject } from '../ui/guards';
import type { Model } from './model';
import { kernelStatus } from './model';

/** Why an answer does not come. */
export type Waiting = 'no' | 'busy' | 'gone';

export interface Item {
  kind: string;
  id: number;
  [member: string]: unknown;
}

export interface Listener {
  item(item: Item): void;
  /** Messages were lost: pushes, or answers. */
  lost(): void;
  waiting(waiting: Waiting): void;
}

/** Milliseconds after which the page says that the kernel is busy. */
const BUSY_AFTER = 1000;
/** Milliseconds without any word of the kernel after which it counts as gone. */
const GONE_AFTER = 10_000;
/** The same where the place says that the kernel has nothing to do. */
const GONE_IF_IDLE_AFTER = 3000;
/** Milliseconds between two words to the kernel that this view is still there. */
const ALIVE = 20_000;
const LOOK = 250;
/** Milliseconds without a word in which the server ticks twice, also while a cell runs. */
const SILENCE = 12_000;

export class Link {
  readonly view = makeName();
  private last = 0;
  private nextId = 1;
  private heardAt = 0;
  private state: Waiting = 'no';
  private readonly unheard = new Map<number, number>();
  private readonly alive: ReturnType<typeof setInterval>;
  private looking: ReturnType<typeof setInterval> | null = null;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private readonly receive = (content: unknown): void => this.take(content);

  constructor(
    private readonly model: Model,
    private readonly listener: Listener
  ) {
    model.on('msg:custom', this.receive);
    this.alive = setInterval(() => this.say('alive', 0), ALIVE);
  }

  /** Asks for something; what comes back has the number that this returns. */
  ask(kind: string, content: Record<string, unknown> = {}): number {
    const id = this.begin();
    this.say(kind, id, content);
    return id;
  }

  /** Waits for an answer to what is going to be asked. */
  begin(): number {
    const id = this.nextId++;
    this.unheard.set(id, Date.now());
    this.looking ??= setInterval(() => this.look(), LOOK);
    return id;
  }

  say(kind: string, id: number, content: Record<string, unknown> = {}): void {
    this.model.send({ view: this.view, kind, id, ...content });
  }

  /** Nothing is waited for any more under this number. */
  forget(id: number): void {
    if (this.unheard.delete(id) && this.unheard.size === 0) {
      this.rest();
    }
  }

  /** Whether the server ticks: where it does not any more, the kernel is gone. */
  expectTicks(expected: boolean): void {
    clearTimeout(this.silence);
    this.silence = expected ? setTimeout(() => this.lose(), SILENCE) : undefined;
  }

  close(): void {
    this.expectTicks(false);
    this.say('gone', 0);
    this.model.off('msg:custom', this.receive);
    clearInterval(this.alive);
    this.unheard.clear();
    this.rest();
  }

  private take(content: unknown): void {
    if (!isObject(content) || content['view'] !== this.view || !Array.isArray(content['items'])) {
      return; // for another view of the same widget
    }
    this.heardAt = Date.now();
    if (this.silence !== undefined) {
      this.expectTicks(true);
    }
    const number = Number(content['n']);
    const isLost = number !== this.last + 1;
    this.last = number;
    if (isLost) {
      this.listener.lost();
    }
    for (const item of content['items']) {
      if (isObject(item) && typeof item['kind'] === 'string') {
        const id = typeof item['id'] === 'number' ? item['id'] : 0;
        this.forget(id);
        this.listener.item({ ...item, kind: item['kind'], id });
      }
    }
    if (this.state === 'gone') {
      this.become('no');
    }
  }

  private look(): void {
    const now = Date.now();
    const since = Math.min(...this.unheard.values());
    const silent = now - Math.max(this.heardAt, since);
    const status = kernelStatus(this.model);
    const patience = status === 'idle' ? GONE_IF_IDLE_AFTER : GONE_AFTER;
    const isBusy = status === 'busy' || now - this.heardAt < GONE_AFTER;
    if (silent > patience && !isBusy) {
      this.lose();
    } else if (now - since > BUSY_AFTER && this.state !== 'gone') {
      this.become('busy');
    }
  }

  /** Tells it each time: what was asked since then is not answered either. */
  private lose(): void {
    this.expectTicks(false);
    this.state = 'gone';
    this.listener.waiting('gone');
  }

  private rest(): void {
    if (this.looking !== null) {
      clearInterval(this.looking);
      this.looking = null;
    }
    if (this.state === 'busy') {
      this.become('no');
    }
  }

  private become(state: Waiting): void {
    if (state !== this.state) {
      this.state = state;
      this.listener.waiting(state);
    }
  }
}

function makeName(): string {
  // `randomUUID` is there on secure pages only, and a notebook's page may be none.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((each) => each.toString(16).padStart(2, '0')).join('');
}
