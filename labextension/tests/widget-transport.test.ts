import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { untranslated } from '../src/ui/host';
import type { LiveListener } from '../src/ui/transport';
import { RequestFailed } from '../src/ui/transport';
import { fromBase64, join, toBase64 } from '../src/widget/bytes';
import type { Waiting } from '../src/widget/link';
import type { Model } from '../src/widget/model';
import { KernelTransport } from '../src/widget/transport';

type Said = { view: string; kind: string; id: number; [member: string]: unknown };

/** Stands for anywidget's model: what the page says is kept, what the kernel says is given. */
class Kernel implements Model {
  said: Said[] = [];
  status: string | undefined;
  private n = 0;
  private readonly callbacks = new Set<(...values: unknown[]) => void>();

  get widget_manager(): unknown {
    return this.status === undefined ? undefined : { kernel: { status: this.status } };
  }

  get = (): unknown => undefined;
  set = (): void => undefined;
  save_changes = (): void => undefined;
  send = (content: unknown): void => void this.said.push(content as Said);
  on = (_: string, callback: (...values: unknown[]) => void): void =>
    void this.callbacks.add(callback);
  off = (_: string, callback: (...values: unknown[]) => void): void =>
    void this.callbacks.delete(callback);

  get listeners(): number {
    return this.callbacks.size;
  }

  /** Says items to the view that spoke last, in a message with the next number. */
  say(...items: Record<string, unknown>[]): void {
    this.deliver({ view: this.said.at(-1)?.view, n: ++this.n, items });
  }

  lose(): void {
    this.n++;
  }

  deliver(content: unknown): void {
    this.callbacks.forEach((each) => each(content, []));
  }

  last(kind: string): Said {
    const found = this.said.filter((each) => each.kind === kind).at(-1);
    if (found === undefined) {
      throw new Error(`nothing of the kind ${kind} was said`);
    }
    return found;
  }
}

class Listener implements LiveListener {
  messages: unknown[] = [];
  ends: unknown[] = [];
  message = (value: unknown): void => void this.messages.push(value);
  closed = (problem: unknown): void => void this.ends.push(problem);
}

let kernel: Kernel;
let waiting: Waiting[];
let transport: KernelTransport;

beforeEach(() => {
  vi.useFakeTimers();
  kernel = new Kernel();
  waiting = [];
  transport = new KernelTransport(kernel, untranslated, (each) => waiting.push(each));
});

afterEach(() => {
  transport.dispose();
  vi.useRealTimers();
});

const failure = (promise: Promise<unknown>): Promise<RequestFailed> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error as RequestFailed
  );

describe('requests', () => {
  it('are asked of the kernel and resolve with the body of the answer', async () => {
    const answer = transport.request('POST', 'sandbox', { template: 'node' });
    const { id, method, path, body } = kernel.last('request');
    expect({ method, path, body }).toEqual({
      method: 'POST',
      path: 'sandbox',
      body: { template: 'node' }
    });
    kernel.say({ kind: 'heard', id }, { kind: 'answer', id, body: { success: true } });
    expect(await answer).toEqual({ success: true });
  });

  it('fail with the problem of the answer', async () => {
    const failed = failure(transport.request('GET', 'sandbox'));
    const { id } = kernel.last('request');
    kernel.say({ kind: 'answer', id, problem: { code: 'x', detail: 'Cause.', remedy: 'Do.' } });
    expect((await failed).problem).toEqual({ code: 'x', detail: 'Cause.', remedy: 'Do.' });
  });

  it('have answers told apart, also from those of another view', async () => {
    const other = new KernelTransport(kernel, untranslated, () => undefined);
    const theirs = other.request('GET', 'theirs');
    const theirView = kernel.last('request').view;
    const ours = transport.request('GET', 'ours');
    const { id } = kernel.last('request');
    kernel.deliver({ view: theirView, n: 1, items: [{ kind: 'answer', id, body: 'theirs' }] });
    kernel.say({ kind: 'answer', id, body: 'ours' });
    expect([await ours, await theirs]).toEqual(['ours', 'theirs']);
    other.dispose();
  });

  it('ignore what makes no sense', async () => {
    const answer = transport.request('GET', 'x');
    const { id, view } = kernel.last('request');
    for (const content of [null, 5, 'x', {}, { view }, { view, n: 1, items: 'x' }]) {
      kernel.deliver(content);
    }
    kernel.say(null as never, { id }, { kind: 5, id }, { kind: 'answer', id, body: 1 });
    expect(await answer).toBe(1);
  });
});

describe('a busy kernel', () => {
  it('is spoken of after a second without an answer, until there is one', async () => {
    const answer = transport.request('GET', 'x');
    vi.advanceTimersByTime(900);
    expect(waiting).toEqual([]);
    vi.advanceTimersByTime(400);
    expect(waiting).toEqual(['busy']);
    kernel.say({ kind: 'answer', id: kernel.last('request').id, body: 1 });
    expect(waiting).toEqual(['busy', 'no']);
    await answer;
  });

  it('is not spoken of where the kernel has heard and the server takes long', () => {
    void transport.request('GET', 'x').catch(() => undefined);
    vi.advanceTimersByTime(500);
    kernel.say({ kind: 'heard', id: kernel.last('request').id });
    vi.advanceTimersByTime(60_000);
    expect(waiting).toEqual([]);
  });

  it('is busy however long, as long as it is heard of', () => {
    transport.connect(new Listener());
    const { id } = kernel.last('live-open');
    kernel.say({ kind: 'live', id, data: '{}' });
    void transport.request('GET', 'x').catch(() => undefined);
    for (let tick = 0; tick < 20; tick++) {
      vi.advanceTimersByTime(5000);
      kernel.say({ kind: 'live', id, data: '{"type":"tick"}' });
    }
    expect(waiting).toEqual(['busy']);
  });

  it('is busy however long, where the place says so', () => {
    kernel.status = 'busy';
    void transport.request('GET', 'x').catch(() => undefined);
    vi.advanceTimersByTime(600_000);
    expect(waiting).toEqual(['busy']);
  });
});

describe('a kernel that is gone', () => {
  it('fails what is asked, with what to do', async () => {
    const failed = failure(transport.request('GET', 'x'));
    const listener = new Listener();
    transport.connect(listener);
    vi.advanceTimersByTime(12_000);
    expect((await failed).problem.remedy).toContain('run this cell again');
    expect(listener.ends).toMatchObject([{ remedy: expect.stringContaining('run this cell') }]);
    expect(waiting.at(-1)).toBe('gone');
  });

  it('is noticed sooner where the place says that it has nothing to do', async () => {
    kernel.status = 'idle';
    const failed = failure(transport.request('GET', 'x'));
    vi.advanceTimersByTime(4000);
    expect((await failed).problem.code).toBe('server_unreachable');
  });

  it('is noticed by the ticks that stop, and said again to who tries again', () => {
    const listeners = [new Listener(), new Listener()];
    transport.connect(listeners[0] as Listener);
    kernel.say({ kind: 'live', id: kernel.last('live-open').id, data: '{"type":"hello"}' });
    vi.advanceTimersByTime(11_000);
    expect(listeners[0]?.ends).toEqual([]);
    vi.advanceTimersByTime(1500);
    expect(listeners[0]?.ends).toMatchObject([{ remedy: expect.stringContaining('run this') }]);
    transport.connect(listeners[1] as Listener);
    vi.advanceTimersByTime(12_000);
    expect(listeners[1]?.ends).toMatchObject([{ remedy: expect.stringContaining('run this') }]);
  });

  it('is there again once it says something', () => {
    void transport.request('GET', 'x').catch(() => undefined);
    vi.advanceTimersByTime(12_000);
    kernel.say({ kind: 'pulse' });
    expect(waiting.at(-1)).toBe('no');
  });
});

describe('the live connection', () => {
  it('carries messages both ways', () => {
    const listener = new Listener();
    const live = transport.connect(listener);
    const { id } = kernel.last('live-open');
    kernel.say({ kind: 'live', id, data: '{"type":"hello","a":[1]}' }, { kind: 'live', id, data: '{' });
    expect(listener.messages).toEqual([{ type: 'hello', a: [1] }]);
    live.send({ type: 'watch', stats: true });
    expect(JSON.parse(kernel.last('live-send')['data'] as string)).toEqual({
      type: 'watch',
      stats: true
    });
  });

  it('tells its end once, with the problem', () => {
    const listener = new Listener();
    transport.connect(listener);
    const { id } = kernel.last('live-open');
    const problem = { code: 'server_unreachable', detail: 'A.', remedy: 'B.' };
    kernel.say({ kind: 'live-closed', id, problem }, { kind: 'live-closed', id, problem: null });
    expect(listener.ends).toEqual([problem]);
  });

  it('says nothing more once it was closed', () => {
    const listener = new Listener();
    transport.connect(listener).close();
    const { id } = kernel.last('live-close');
    kernel.say({ kind: 'live', id, data: '{}' }, { kind: 'live-closed', id, problem: null });
    expect([listener.messages, listener.ends]).toEqual([[], []]);
  });
});

describe('messages that were lost', () => {
  it('are noticed by their numbers: answers are asked for again, pushes begin anew', async () => {
    const listener = new Listener();
    transport.connect(listener);
    const answer = transport.request('GET', 'x');
    const { id } = kernel.last('request');
    kernel.say({ kind: 'pulse' });
    kernel.lose();
    kernel.say({ kind: 'pulse' });
    expect(listener.ends).toEqual([null]);
    expect(kernel.last('again')['ids']).toEqual([id]);
    kernel.say({ kind: 'answer', id, body: 1 });
    expect(await answer).toBe(1);
  });

  it('make a file that is being read fail, whose parts they may have been', async () => {
    const failed = failure(transport.read('file', 100));
    kernel.lose();
    kernel.say({ kind: 'pulse' });
    expect((await failed).problem.remedy).toBe('Try again.');
    expect(kernel.last('cancel').id).toBe(kernel.last('read').id);
  });
});

describe('files', () => {
  it('are read from their pieces', async () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
    const read = transport.read('file', 5000);
    const { id, limit } = kernel.last('read');
    expect(limit).toBe(5000);
    kernel.say({ kind: 'chunk', id, data: toBase64(bytes.subarray(0, 600)) });
    kernel.say({ kind: 'chunk', id, data: toBase64(bytes.subarray(600)) }, { kind: 'end', id });
    expect(await read).toEqual(bytes);
  });

  it('are written a few pieces at a time', async () => {
    const data = new Uint8Array(1_000_000).map((_, index) => index % 251);
    const progress: number[] = [];
    const written = transport.write('file', new Blob([data]), (sent) => progress.push(sent));
    const parts = (): Said[] => kernel.said.filter((each) => each.kind === 'write');
    await vi.waitUntil(() => parts().length === 2);
    const { id } = kernel.last('write');
    kernel.say({ kind: 'took', id, sent: 262_144 });
    await vi.waitUntil(() => parts().length === 3);
    kernel.say({ kind: 'took', id, sent: 524_288 });
    await vi.waitUntil(() => parts().length === 4);
    expect(parts().map((each) => [each['part'], each['last']])).toEqual([
      [0, false],
      [1, false],
      [2, false],
      [3, true]
    ]);
    const sent = join(parts().map((each) => fromBase64(each['data'] as string) as Uint8Array));
    expect(sent).toEqual(data);
    kernel.say({ kind: 'answer', id, body: { received: 1_000_000 } });
    expect(await written).toEqual({ received: 1_000_000 });
    expect(progress).toEqual([262_144, 524_288]);
  });

  it('are written also where they are empty', async () => {
    const written = transport.write('file', new Blob([]));
    await vi.waitUntil(() => kernel.said.some((each) => each.kind === 'write'));
    const { id, data, last } = kernel.last('write');
    expect([data, last]).toEqual(['', true]);
    kernel.say({ kind: 'answer', id, body: {} });
    await written;
  });
});

describe('the end', () => {
  it('is told to the kernel, and nothing is heard or ticks after it', () => {
    transport.request('GET', 'x').catch(() => undefined);
    transport.dispose();
    expect(kernel.said.at(-1)?.kind).toBe('gone');
    expect(kernel.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not thought of a view that says that it is there', () => {
    vi.advanceTimersByTime(61_000);
    expect(kernel.said.filter((each) => each.kind === 'alive')).toHaveLength(3);
  });
});
