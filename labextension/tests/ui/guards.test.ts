import { describe, expect, it } from 'vitest';

import { magic, python, shell } from '../../src/ui/code';
import { fieldOf, fieldsOf, EMPTY, isProblem, requestOf } from '../../src/ui/form';
import { engine, liveMessage, problem, sandbox as read } from '../../src/ui/guards';
import { untranslated as t } from '../../src/ui/host';
import { directUrl, linkUrl, loopbackUrl } from '../../src/ui/links';
import { bytes, duration, percent, span } from '../../src/ui/parts/format';
import { fakeHost, sandbox } from './fake';

describe('a sandbox from the server', () => {
  it('is read as it is', () => {
    const one = sandbox({ name: 'web', port_map: [] });
    expect(read(JSON.parse(JSON.stringify(one)))).toEqual(one);
  });

  it.each([null, 7, 'x', [], {}, { id: '' }, { id: 'a' }, { id: 'a', status: 'odd' }, { id: 1 }])(
    'is not %j',
    (value) => expect(read(value)).toBeNull()
  );

  it('keeps what fits of the rest', () => {
    const odd = read({
      id: 'abcdef',
      status: 'active',
      name: { toString: 'x' },
      ports: [1, 'two'],
      port_map: [null, { port: 3000, listening: 'yes' }],
      env: ['A', 7],
      labels: { a: 'b', c: 1 },
      created_at: 'now',
      limits: [],
      stats: { time: Infinity }
    });
    expect(odd).toMatchObject({
      name: null,
      ports: [1],
      env: ['A'],
      labels: { a: 'b' },
      created_at: 0,
      limits: { memory: null },
      stats: null
    });
    expect(odd?.port_map).toEqual([
      { port: 3000, host_port: 0, url: '', listening: false, proxy: '' }
    ]);
  });
});

describe('a message', () => {
  it('leaves out log entries that are none, and replaces bytes that are no text', () => {
    const entries = [
      { seq: 1, stream: 'stdout', text: 'a' },
      { seq: 2, stream: 'stdin', text: 'b' },
      { stream: 'stdout', text: 'c' },
      { seq: 4, stream: 'stderr', base64: btoa('\xff') },
      { seq: 5, stream: 'stderr', base64: '%' },
      { seq: 6, stream: 'dropped', bytes: 9 }
    ];
    expect(liveMessage({ type: 'log', id: 1, entries })).toEqual({
      type: 'log',
      id: 1,
      entries: [
        { seq: 1, time: 0, stream: 'stdout', text: 'a' },
        { seq: 4, time: 0, stream: 'stderr', text: '\ufffd' },
        { seq: 6, stream: 'dropped', bytes: 9 }
      ]
    });
  });

  it('of an engine has its set-up, or none', () => {
    expect(engine({ chosen: 'native' })).toEqual({ chosen: 'native', setup: null });
    const running = { running: true, step: 'building', began: 1 };
    expect(engine({ setup: running })?.setup).toEqual(running);
    expect(engine({ setup: { running: false } })?.setup).toMatchObject({ running: false });
  });
});

describe('a problem', () => {
  it('names its field, and has its lines', () => {
    const details = { field: 'limits.memory', lines: ['a', 7, 'b'] };
    const one = problem({ code: 'invalid_limit', detail: 'No.', remedy: 'Yes.', details });
    expect(one).toEqual({
      code: 'invalid_limit',
      detail: 'No.',
      remedy: 'Yes.',
      field: 'limits.memory',
      lines: ['a', 'b']
    });
    expect(fieldOf(one)).toBe('memory');
  });

  it.each([
    ['env.KEY', 'env'],
    ['ports', 'ports'],
    ['nowhere', null]
  ])('of %s is shown at %s', (field, shown) => {
    expect(fieldOf({ code: 'x', detail: '', remedy: '', field })).toBe(shown);
  });
});

describe('links', () => {
  const mapping = { port: 80, host_port: 8080, url: 'http://127.0.0.1:8080', listening: true, proxy: '' };

  it.each(['javascript:alert(1)', 'http://evil.example/', 'http://a@localhost/', 'file:///etc', ''])(
    'do not go to %j',
    (url) => expect(loopbackUrl(url)).toBeNull()
  );

  it('never have the name that the page has', () => {
    expect(directUrl(mapping, fakeHost())).toBe('http://127.0.0.1:8080/');
    expect(directUrl(mapping, fakeHost({ hostname: '127.0.0.1' }))).toBe('http://localhost:8080/');
  });

  it('go through the server where the page is not local', () => {
    const away = fakeHost({ hostname: 'hub.example', serverUrl: (path) => `https://hub.example${path}` });
    expect(directUrl(mapping, away)).toBeNull();
    expect(linkUrl('/u/orkee/proxy/a/80/', away)).toBe('https://hub.example/u/orkee/proxy/a/80/');
    expect(linkUrl('/\\evil.example/orkee/', away)).toBeNull();
  });
});

describe('the form', () => {
  it('leaves out what is empty', () => {
    expect(requestOf('node', EMPTY, t)).toEqual({ template: 'node' });
  });

  it('reads every field', () => {
    const fields = {
      name: ' web ',
      image: 'node:20',
      ports: '3000, 8080:80 nonsense',
      env: 'A=1\n\nB=x=y ',
      ttl: '2h',
      command: 'node a.js | tee b',
      memory: '512m',
      cpus: '1.5',
      pids: 'many',
      project_folder: 'src'
    };
    expect(requestOf('node', fields, t)).toEqual({
      template: 'node',
      name: 'web',
      image: 'node:20',
      ports: [3000, '8080:80', 'nonsense'],
      env: { A: '1', B: 'x=y ' },
      ttl: '2h',
      command: ['sh', '-c', 'node a.js | tee b'],
      limits: { memory: '512m', cpus: 1.5, pids: 'many' },
      project_folder: 'src'
    });
  });

  it('shows a request as it was typed', () => {
    const fields = { ...EMPTY, name: 'web', env: 'A=1', ports: '80, 8080:3000', command: 'a | b' };
    const request = requestOf('node', fields, t);
    expect(isProblem(request) ? request : fieldsOf(request)).toEqual(fields);
    expect(fieldsOf({ command: ['echo', "it's"] }).command).toBe("echo 'it'\\''s'");
  });

  it('finds a line of the environment that is no pair', () => {
    expect(requestOf('node', { ...EMPTY, env: 'A' }, t)).toMatchObject({ field: 'env' });
  });
});

describe('code for cells', () => {
  it('has the name', () => {
    const web = sandbox({ name: 'web' });
    expect(magic(web)).toBe('%sandbox exec web -- ls -la');
    expect(shell(web)).toBe('%sandbox shell web');
    expect(python(web)).toContain('Sandbox.get("web")');
  });

  it('never has a name that is none', () => {
    const evil = sandbox({ name: '"); import os' });
    expect(python(evil)).toContain(`Sandbox.get("${evil.short_id}")`);
    expect(magic(evil)).toContain(evil.short_id);
  });
});

describe('figures', () => {
  const plain = (text: string) => text.replaceAll('\u00a0', ' ');

  it.each([
    [0, '0 s'],
    [59.9, '59 s'],
    [3599, '59 min'],
    [7200, '2 h'],
    [200000, '2 d'],
    [-5, '0 s']
  ])('of %d s are %s', (seconds, text) => expect(plain(span(seconds, t))).toBe(text));

  it('of sizes and shares are short', () => {
    expect(plain(bytes(0))).toBe('0 B');
    expect(plain(bytes(1536))).toBe('1.5 KiB');
    expect(plain(bytes(34 << 20))).toBe('34 MiB');
    expect(plain(percent(2.34))).toBe('2.3 %');
    expect(plain(percent(120.4))).toBe('120 %');
    expect(plain(duration(5400, t))).toBe('1 h 30 min');
  });
});
