// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import widget from '../src/widget';
import { ASK, type Asked } from '../src/widget/host';
import type { Model } from '../src/widget/model';

/** Stands for anywidget's model of a dashboard, with traits that can be set. */
class Dashboard implements Model {
  said: { kind: string; id: number; view: string }[] = [];
  saved = 0;
  traits: Record<string, unknown> = { height: '', view: 'list', selected: null };
  private readonly callbacks = new Map<string, Set<(...values: unknown[]) => void>>();

  get = (name: string): unknown => this.traits[name];
  set = (name: string, value: unknown): void => {
    if (this.traits[name] !== value) {
      this.traits[name] = value;
      this.callbacks.get(`change:${name}`)?.forEach((each) => each());
    }
  };
  save_changes = (): void => void this.saved++;
  send = (content: unknown): void => void this.said.push(content as never);
  on = (name: string, callback: (...values: unknown[]) => void): void => {
    const found = this.callbacks.get(name) ?? new Set();
    this.callbacks.set(name, found.add(callback));
  };
  off = (name: string, callback: (...values: unknown[]) => void): void =>
    void this.callbacks.get(name)?.delete(callback);

  get listeners(): number {
    return [...this.callbacks.values()].reduce((sum, each) => sum + each.size, 0);
  }

  say(view: string, n: number, ...items: Record<string, unknown>[]): void {
    this.callbacks.get('msg:custom')?.forEach((each) => each({ view, n, items }, []));
  }
}

const HELLO = JSON.stringify({
  type: 'hello',
  version: '0.1.0',
  time: 1e9,
  settings: { default_ttl: 3600, max_sandboxes: 50 },
  sandboxes: []
});

let model: Dashboard;
let el: HTMLElement;
let leave: () => void;

function start(): void {
  leave = widget.render({ model, el });
}

function opened(): { id: number; view: string } {
  const found = model.said.filter((each) => each.kind === 'live-open').at(-1);
  if (found === undefined) {
    throw new Error('no live connection was asked for');
  }
  return found;
}

beforeEach(() => {
  model = new Dashboard();
  el = document.createElement('div');
  document.body.append(el);
});

afterEach(() => {
  leave();
  el.remove();
});

describe('the widget', () => {
  it('shows what the kernel tells', async () => {
    start();
    const { id, view } = opened();
    model.say(view, 1, { kind: 'live', id, data: HELLO });
    await vi.waitFor(() => expect(el.textContent).toContain('No active sandboxes'));
  });

  it('asks who is around it for more, once it is in the page', async () => {
    el.remove();
    const asked: Asked[] = [];
    const hear = (event: Event): void => void asked.push((event as CustomEvent<Asked>).detail);
    document.addEventListener(ASK, hear);
    start();
    expect([asked.length, model.said.length]).toEqual([0, 0]);
    document.body.append(el);
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    document.removeEventListener(ASK, hear);
  });

  it('says that the kernel is busy after a second', async () => {
    start();
    await vi.waitFor(() => expect(el.textContent).toContain('The kernel is busy'), 3000);
    const { id, view } = opened();
    model.say(view, 1, { kind: 'live', id, data: HELLO });
    expect(el.textContent).not.toContain('The kernel is busy');
  });

  it('keeps the traits and what it shows the same, either way', async () => {
    start();
    const { id, view } = opened();
    model.say(view, 1, { kind: 'live', id, data: HELLO });
    model.set('view', 'new');
    await vi.waitFor(() => expect(el.textContent).toContain('template'));
    const back = await vi.waitUntil(() => el.querySelector<HTMLButtonElement>('button'));
    back.click();
    await vi.waitFor(() => expect([model.get('view'), model.saved]).toEqual(['list', 1]));
  });

  it('is as high as the trait says', () => {
    start();
    model.set('height', '60vh');
    expect(el.querySelector<HTMLElement>('.orkee-widget')?.style.maxHeight).toBe('60vh');
  });

  it('leaves nothing behind', () => {
    start();
    leave();
    expect([el.childElementCount, model.listeners]).toEqual([0, 0]);
    expect(model.said.at(-1)?.kind).toBe('gone');
  });
});
