// @vitest-environment happy-dom
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Sandbox } from '../../src/ui/api';
import { FilesView } from '../../src/ui/files/FilesView';
import { decoded } from '../../src/ui/files/document';
import { isName, visible } from '../../src/ui/files/names';
import type { Host } from '../../src/ui/host';
import { failure, fakeHost, FakeTransport, sandbox } from '../ui/fake';

let root: HTMLElement;
let transport: FakeTransport;
let written: [path: string, text: string][];
let saved: string[];

const entry = (path: string, type = 'file', target: string | null = null) => ({
  path,
  type,
  size: 2048,
  mode: 420,
  mtime: 1,
  target
});
const folder = (...entries: object[]) => ({ success: true, entry: entry('.', 'directory'), entries });
/** Does something, and lets what is drawn ask for more, whose answer is drawn too. */
const settle = async (work: () => void = () => undefined): Promise<void> => {
  await act(work);
  for (let frame = 0; frame < 4; frame++) {
    await act(() => new Promise<void>((resolve) => void requestAnimationFrame(() => resolve())));
  }
};
const show = (changes: Partial<Sandbox> = {}, more: Partial<Host> = {}): Promise<void> =>
  settle(() => {
    const host = fakeHost({ save: (name) => void saved.push(name), ...more });
    render(<FilesView {...{ transport, host }} sandbox={sandbox(changes)} />, root);
  });
const tree = (): HTMLElement => root.querySelector('[role=tree]') as HTMLElement;
const names = (): string[] => [...root.querySelectorAll('.orkee-files-name')].map((each) => each.textContent ?? '');
const current = (): string =>
  document.getElementById(tree().getAttribute('aria-activedescendant') ?? '')?.querySelector('.orkee-files-name')
    ?.textContent ?? '';
const press = (...keys: string[]): Promise<void> =>
  keys.reduce(
    (before, key) =>
      before.then(() =>
        settle(() => void tree().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })))
      ),
    Promise.resolve()
  );
const click = (label: string): Promise<void> =>
  settle(() => (root.querySelector(`[aria-label="${label}"]`) as HTMLElement).click());
const submit = (name?: string): Promise<void> =>
  settle(() => {
    const form = root.querySelector('form') as HTMLFormElement;
    const field = form.querySelector('input');
    if (field && name !== undefined) {
      field.value = name;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
  }).then(() =>
    settle(() => void root.querySelector('form')?.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })))
  );

beforeEach(() => {
  written = [];
  saved = [];
  transport = new FakeTransport();
  transport.on(/GET .*path=\.$/, folder(entry('b.txt'), entry('a10'), entry('a9'), entry('src', 'directory')));
  transport.on(/GET .*path=src$/, folder(entry('app.py'), entry('lib', 'directory')));
  transport.on(/GET .*list=0/, { entry: entry('x') });
  transport.on(/(POST|DELETE) /, { success: true });
  Object.assign(transport, {
    read: async () => new TextEncoder().encode('text\r\n'),
    write: async (path: string, data: Blob) => void written.push([path, await data.text()])
  });
  root = document.createElement('div');
  document.body.replaceChildren(root);
});
afterEach(() => render(null, root));

describe('the files of a sandbox', () => {
  it('are a tree with folders first, whose folders are read when they are opened', async () => {
    await show();
    expect(names()).toEqual(['src', 'a9', 'a10', 'b.txt']);
    expect(transport.requests(/path=src/)).toEqual([]);
    await press('Home', 'ArrowRight');
    expect(names()).toEqual(['src', 'lib', 'app.py', 'a9', 'a10', 'b.txt']);
  });

  it('are reached with the arrow keys', async () => {
    await show();
    await press('ArrowDown', 'ArrowRight', 'ArrowRight');
    expect(current()).toBe('lib');
    await press('ArrowDown');
    expect(current()).toBe('app.py');
    await press('ArrowLeft');
    expect(current()).toBe('src');
    await press('ArrowLeft', 'End');
    expect(current()).toBe('b.txt');
    await press('a', '1');
    expect(current()).toBe('a10');
  });

  it('tell who listens where they are', async () => {
    await show();
    await press('Home', 'ArrowRight', 'ArrowRight', 'ArrowDown');
    const item = document.getElementById(tree().getAttribute('aria-activedescendant') ?? '');
    const said = ['level', 'posinset', 'setsize', 'selected'].map((each) => item?.getAttribute(`aria-${each}`));
    expect(said).toEqual(['2', '2', '2', 'true']);
  });

  it('show hostile names as text, with what cannot be seen', async () => {
    transport.on(/GET .*path=\.$/, folder(entry('<b>\n\u202e'), entry('../up'), entry('l', 'symlink', '\x1b[2J')));
    await show();
    expect(names()).toEqual(['<b>\\n\\u{202e}', 'l']);
    expect(root.querySelector('.orkee-files-target')?.textContent).toBe(' → \\x1b[2J');
  });

  it('have only what is in sight in the page', async () => {
    transport.on(/GET .*path=\.$/, folder(...Array.from({ length: 10_000 }, (_, at) => entry(`f${at}`))));
    await show();
    expect(names().length).toBeLessThan(100);
    await press('End');
    expect(current()).toBe('f9999');
  });

  it('are not there while the sandbox is not active', async () => {
    await show({ status: 'paused' });
    expect(root.textContent).toBe('The files can be seen while the sandbox is active.');
    expect(transport.asked).toEqual([]);
  });

  it('say what went wrong', async () => {
    transport.on(/GET .*path=\.$/, () => {
      throw failure('sandbox_unreachable', 'The sandbox does not answer.');
    });
    await show();
    expect(root.querySelector('[role=alert]')?.textContent).toContain('The sandbox does not answer.');
  });
});

describe('what can be done with files', () => {
  const changes = (): unknown[] => transport.requests(/POST|DELETE/).map((each) => each.body ?? each.path);

  it('makes a folder in the chosen one', async () => {
    await show();
    await press('Home');
    await click('New folder');
    await submit('new');
    expect(changes()).toEqual([{ op: 'mkdir', path: 'src/new' }]);
  });

  it('renames, and takes no name that leads elsewhere', async () => {
    await show();
    await press('End', 'F2');
    await submit('../x');
    expect(changes()).toEqual([]);
    await submit('c.txt');
    expect(changes()).toEqual([{ op: 'rename', path: 'b.txt', to: 'c.txt' }]);
  });

  it('deletes when it was confirmed', async () => {
    await show();
    await press('Home', 'Delete');
    expect(changes()).toEqual([]);
    expect(root.querySelector('form')?.textContent).toContain('Delete src and all that is in it?');
    await submit();
    expect(String(changes()[0])).toMatch(/path=src&recursive=1$/);
  });

  it('downloads a file, and a folder as an archive', async () => {
    await show();
    await press('End');
    await click('Download b.txt');
    await press('Home');
    await click('Download src');
    expect(saved).toEqual(['b.txt', 'src.tar']);
  });

  it('opens a file in the editor of the place', async () => {
    const opened: string[] = [];
    await show({}, { openFile: async (_, path) => void opened.push(path) });
    await press('Home', 'ArrowRight', 'ArrowRight', 'ArrowDown', 'Enter');
    expect(opened).toEqual(['src/app.py']);
  });

  it('asks before an upload replaces a file', async () => {
    const write = async (path: string): Promise<unknown> => {
      written.push([path, '']);
      throw failure('file_exists', 'There is one.');
    };
    Object.assign(transport, { write });
    await show();
    const data = { types: ['Files'], items: [], files: [] as File[] };
    const file = new File(['x'], 'b.txt');
    data.files.push(file);
    (data.items as unknown[]).push({ kind: 'file', webkitGetAsEntry: () => null });
    const drop = Object.assign(new Event('drop', { bubbles: true, cancelable: true }), { dataTransfer: data });
    await settle(() => void root.querySelector('.orkee-files-directory')?.dispatchEvent(drop));
    await settle();
    expect(written.map(([path]) => path.split('?')[1])).toEqual(['path=src%2Fb.txt&parents=1&exclusive=1']);
    await click('Replace src/b.txt');
    expect(written[1]?.[0]).toMatch(/path=src%2Fb.txt&parents=1$/);
  });
});

describe('the built-in editor', () => {
  const type = (text: string): Promise<void> =>
    settle(() => {
      const area = root.querySelector('textarea') as HTMLTextAreaElement;
      area.value = text;
      area.dispatchEvent(new Event('input', { bubbles: true }));
    });
  const button = (word: string): HTMLElement | undefined =>
    [...root.querySelectorAll('button')].find((each) => each.textContent === word);

  it('saves a file with the line ends that it had', async () => {
    await show();
    await press('End', 'Enter');
    await type('new\nlines\n');
    expect(root.querySelector('.orkee-files-changed')?.textContent).toBe('changed');
    await settle(() => button('Save')?.click());
    expect(written).toEqual([[expect.stringMatching(/content\?path=b.txt$/), 'new\r\nlines\r\n']]);
    expect(root.querySelector('.orkee-files-changed')?.textContent).toBe('');
  });

  it('asks before it writes over what has changed meanwhile', async () => {
    await show();
    await press('End', 'Enter');
    await type('mine');
    transport.on(/GET .*list=0/, { entry: { ...entry('x'), mtime: 2 } });
    await settle(() => button('Save')?.click());
    expect(written).toEqual([]);
    await submit();
    expect(written).toHaveLength(1);
  });

  it('asks before it forgets a change', async () => {
    await show();
    await press('End', 'Enter');
    await type('mine');
    await settle(() => button('Close')?.click());
    expect(root.textContent).toContain('Close without saving?');
  });

  it('keeps a change when the sandbox ends', async () => {
    await show();
    await press('End', 'Enter');
    await type('mine');
    await show({ status: 'terminated' });
    expect(root.querySelector('textarea')?.value).toBe('mine');
  });

  it('takes only text that it can give back as it was', () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(decoded(bytes('\ufeffa\r\nb\r\n'))).toBe('\ufeffa\r\nb\r\n');
    expect(decoded(bytes('a\nb\r\n'))).toBeNull();
    expect(decoded(bytes('a\rb'))).toBeNull();
    expect(decoded(bytes('a\0b'))).toBeNull();
    expect(decoded(new Uint8Array([0xff]))).toBeNull();
  });
});

describe('a name', () => {
  it('is shown with escapes for what cannot be seen', () => {
    expect(visible('a\tb\x7f\u200b\x9b')).toBe('a\\tb\\x7f\\u{200b}\\x9b');
  });

  it('cannot be a path', () => {
    expect(['', '.', '..', 'a/b', 'a\0'].some(isName)).toBe(false);
    expect(['a', '...', ' ', 'ü'].every(isName)).toBe(true);
  });
});
