// @vitest-environment happy-dom
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Sandbox } from '../../src/ui/api';
import { LogView } from '../../src/ui/logs/LogView';
import type { LogSink, OpenLog } from '../../src/ui/logs/LogView';
import { failure, fakeHost, FakeTransport, sandbox } from '../ui/fake';

let root: HTMLElement;
let opened: { request: Parameters<OpenLog>[1]; sink: LogSink; isClosed: boolean }[];
const transport = new FakeTransport();
let saved: { name: string; data: Blob }[];

const openLog: OpenLog = (_, request, sink) => {
  const log = { request, sink, isClosed: false };
  opened.push(log);
  return () => {
    log.isClosed = true;
  };
};
/** Does something, and lets what is drawn ask for more, whose answer is drawn too. */
const settle = async (work: () => void = () => undefined): Promise<void> => {
  await act(work);
  for (let frame = 0; frame < 4; frame++) {
    await act(() => new Promise<void>((resolve) => void requestAnimationFrame(() => resolve())));
  }
};
const show = (changes: Partial<Sandbox> = {}): Promise<void> =>
  settle(() => {
    const host = fakeHost({ save: (name, data) => void saved.push({ name, data }) });
    render(<LogView {...{ openLog, transport, host }} sandbox={sandbox({ name: 'web', ...changes })} />, root);
  });
const say = (text: string, stream: 'stdout' | 'stderr' = 'stdout', seq = 1): Promise<void> =>
  settle(() => opened.at(-1)?.sink.entries([{ seq, time: 1, stream, text }]));
const rows = (): string[] => [...root.querySelectorAll('.orkee-log-row')].map((row) => row.textContent ?? '');
const field = (): HTMLInputElement => root.querySelector('input[type=search]') as HTMLInputElement;

beforeEach(() => {
  opened = [];
  saved = [];
  root = document.createElement('div');
  document.body.replaceChildren(root);
});
afterEach(() => render(null, root));

describe('the log of a sandbox', () => {
  it('shows hostile lines as text', async () => {
    await show();
    await say('<img src=x onerror=alert(1)>\n\x1b[2J\x1b]0;title\x07\u202eevil\n');
    expect(rows()).toEqual(['<img src=x onerror=alert(1)>', '[U+202E]evil']);
    expect(root.querySelector('img')).toBeNull();
  });

  it('has only what is in sight in the page', async () => {
    await show();
    await say('line\n'.repeat(100_000));
    expect(rows().length).toBeGreaterThan(5);
    expect(rows().length).toBeLessThan(200);
  });

  it('is a named region that the keyboard reaches and that is not read aloud', async () => {
    await show();
    const box = root.querySelector('[role=log]');
    expect(box?.getAttribute('aria-label')).toBe('Log of web');
    expect(box?.getAttribute('tabindex')).toBe('0');
    expect(box?.getAttribute('aria-live')).toBe('off');
  });

  it('filters by stream', async () => {
    await show();
    await say('out\n');
    await say('err\n', 'stderr');
    const select = root.querySelector('select') as HTMLSelectElement;
    await settle(() => {
      select.value = 'stderr';
      select.dispatchEvent(new Event('change', { bubbles: true }));
    });
    expect(rows()).toEqual(['err']);
  });

  it('counts and marks what is searched for', async () => {
    await show();
    await say('a Needle\nnone\nneedle needle\n');
    await settle(() => {
      field().value = 'needle';
      field().dispatchEvent(new Event('input', { bubbles: true }));
    });
    // A search goes on frame by frame.
    const count = () => root.querySelector('.orkee-log-count')?.textContent;
    await vi.waitFor(() => expect(count()).toBe('1 of 3'));
    await settle(() => void field().dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })));
    await vi.waitFor(() => expect(count()).toBe('2 of 3'));
    expect(root.querySelectorAll('.orkee-log-hit')).toHaveLength(3);
    expect(root.querySelectorAll('.orkee-log-current')).toHaveLength(1);
  });

  it('is searched with Ctrl+F', async () => {
    await show();
    const event = new KeyboardEvent('keydown', { key: 'f', ctrlKey: true, bubbles: true, cancelable: true });
    await settle(() => void root.querySelector('[role=log]')?.dispatchEvent(event));
    expect(document.activeElement).toBe(field());
    expect(event.defaultPrevented).toBe(true);
  });

  it('says how it ended', async () => {
    await show({ exit_code: 3 });
    await settle(() => opened[0]?.sink.end('exited'));
    expect(root.textContent).toContain('The command has exited with 3.');
  });

  it('says what went wrong and what to do', async () => {
    await show();
    const problem = { code: 'x', detail: 'The log is gone.', remedy: 'Start it again.' };
    await settle(() => opened[0]?.sink.problem(problem));
    expect(root.querySelector('[role=alert]')?.textContent).toBe('The log is gone. Start it again.');
  });

  it('goes on where it ended when the sandbox is active again', async () => {
    await show();
    await say('one\n', 'stdout', 41);
    await show({ status: 'paused' });
    await show();
    expect(opened.at(-1)?.request).toEqual({ tail: null, after: 41, follow: true });
    expect(opened.slice(0, -1).every((log) => log.isClosed)).toBe(true);
    await say('two\n', 'stdout', 42);
    expect(rows()).toEqual(['one', 'two']);
  });

  it('waits for a sandbox that is being created', async () => {
    await show({ status: 'creating' });
    expect(opened).toEqual([]);
    await show({ status: 'active' });
    expect(opened).toHaveLength(1);
  });

  it('saves what it holds where the server gives nothing', async () => {
    transport.read = () => Promise.reject(failure('file_too_large', 'Too large.'));
    await show();
    await say('one\ntwo\n');
    await settle(() => (root.querySelector('[aria-label="Download the log"]') as HTMLElement).click());
    expect(saved[0]?.name).toBe('web.log');
    expect(await saved[0]?.data.text()).toBe('one\ntwo\n');
  });
});
