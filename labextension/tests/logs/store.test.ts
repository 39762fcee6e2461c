import { describe, expect, test } from 'vitest';

import type { LogEntry } from '../../src/ui/api';
import { Even, Wrapped } from '../../src/ui/logs/heights';
import { Rows } from '../../src/ui/logs/rows';
import { Search } from '../../src/ui/logs/search';
import { LONGEST_LINE, LogStore } from '../../src/ui/logs/store';

let seq = 0;
const out = (text: string, stream: 'stdout' | 'stderr' = 'stdout'): LogEntry => ({
  seq: ++seq,
  time: seq,
  stream,
  text
});
const raw = (...bytes: number[]): LogEntry => ({
  seq: ++seq,
  time: seq,
  stream: 'stdout',
  base64: btoa(String.fromCharCode(...bytes))
});
const lines = (store: LogStore): string[] =>
  Array.from({ length: store.end - store.first }, (_, index) => store.text(store.first + index));
const filled = (...entries: LogEntry[]): LogStore => {
  const store = new LogStore();
  store.append(entries);
  return store;
};

describe('the lines of a log', () => {
  test('are put together from pieces, each stream by itself', () => {
    const store = filled(out('one\ntw'), out('oops', 'stderr'), out('o\nthree'), out('!\n', 'stderr'));
    expect(lines(store)).toEqual(['one', 'two', 'oops!', 'three']);
    expect(store.kind(2)).toBe('stderr');
  });

  test('tell the lowest that has changed', () => {
    const store = filled(out('one\ntwo'));
    expect(store.append([out('!\nthree\n')])).toBe(1);
    expect(store.append([out('four')])).toBe(3);
  });

  test('take what follows a carriage return in place of what was before it', () => {
    expect(lines(filled(out('a\r\nb\r\r\n')))).toEqual(['a', 'b']);
    expect(lines(filled(out('10%\r50%\r100%\nx')))).toEqual(['100%', 'x']);
    expect(lines(filled(out('10%\r'), out('\n')))).toEqual(['10%']);
    expect(lines(filled(out('10%\r'), out('20%')))).toEqual(['20%']);
  });

  test('keep the colour that a carriage return had before it', () => {
    const store = filled(out('\x1b[31mold\rnew\nnext'));
    expect(store.line(0).style.fg).toBe(1);
    expect(store.line(1).style.fg).toBe(1);
  });

  test('decode bytes, and characters that are split between pieces', () => {
    expect(lines(filled(raw(0xe2, 0x82), raw(0xac, 0x0a), out('x')))).toEqual(['€', 'x']);
    expect(lines(filled(raw(0x61, 0xff, 0x62)))).toEqual(['a\ufffdb']);
    expect(lines(filled(raw(0xe2, 0x82), out('x')))).toEqual(['\ufffdx']);
    expect(lines(filled({ seq: 1, time: 1, stream: 'stdout', base64: '%%%' }))).toEqual(['\ufffd']);
  });

  test('say where bytes are missing', () => {
    const store = filled(out('a\n'), { seq: 9, stream: 'dropped', bytes: 12 }, out('b\n'));
    expect(store.line(1)).toMatchObject({ kind: 'dropped', text: '12' });
    expect(store.lastSeq).toBe(seq);
  });

  test('let the oldest go and keep their numbers', () => {
    const store = new LogStore(3000);
    for (let index = 0; index < 10; index++) {
      store.append([out(Array.from({ length: 1000 }, (_, at) => `${index * 1000 + at}\n`).join(''))]);
    }
    expect([store.first, store.end]).toEqual([7000, 10000]);
    expect(store.text(7000)).toBe('7000');
    expect(() => store.text(6999)).toThrow(RangeError);
  });

  test('let the oldest go also when they are large', () => {
    const store = new LogStore(1e6, 1e6);
    for (let index = 0; index < 5000; index++) {
      store.append([out(`${'x'.repeat(999)}\n`)]);
    }
    expect(store.end - store.first).toBeLessThan(2100);
  });

  test('go on after an open line was let go', () => {
    const store = new LogStore(10);
    store.append([out('open')]);
    store.append([out('x\n'.repeat(50), 'stderr')]);
    store.append([out('more\n')]);
    expect(store.text(store.end - 1)).toBe('more');
  });

  test('are cut where they have no end, and lose nothing', () => {
    const text = `x${'😀'.repeat(LONGEST_LINE)}`;
    const store = filled(out(text));
    expect(store.end).toBeGreaterThan(2);
    expect(lines(store).join('')).toBe(text);
    expect(lines(store).some((line) => /\p{Cs}/u.test(line))).toBe(false);
  });

  test('come out the same however they are cut into pieces', () => {
    const text = 'a\r\nb\x1b[31mc\nd\re\r\n\n\r\rf\ng';
    const whole = lines(filled(out(text)));
    for (let at = 1; at < text.length; at++) {
      expect(lines(filled(out(text.slice(0, at)), out(text.slice(at))))).toEqual(whole);
    }
    expect(lines(filled(...[...text].map((each) => out(each))))).toEqual(whole);
  });
});

describe('a filter', () => {
  test('shows one stream and where bytes are missing', () => {
    const store = new LogStore(100);
    const rows = new Rows(store, 'stderr');
    for (let index = 0; index < 300; index++) {
      store.append([out(`${index}\n`, index % 3 === 0 ? 'stderr' : 'stdout')]);
      rows.update();
    }
    expect(rows.end - rows.first).toBe(33);
    expect(store.text(rows.line(rows.first))).toBe('201');
    expect(store.text(rows.line(rows.row(store.first + 2)))).toBe('204');
  });
});

describe('a search', () => {
  test('finds text whatever its case, without a pattern, and goes round', () => {
    const store = filled(out('A.b a.B\nnone\n\x1b[31ma\x1b[0m.b\naxb\n'));
    const search = new Search(store, 'a.b', 'both');
    expect(search.step(Infinity)).toBe(false);
    expect(search.count).toBe(3);
    search.move(1, 1);
    expect(search.place).toEqual({ line: 2, start: 0 });
    search.move(1, 0);
    expect(search.place).toEqual({ line: 0, start: 0 });
    search.move(-1, 0);
    expect(search.place?.line).toBe(2);
  });

  test.each(['(', '[a', '\\', '-', '/', '*', 'a|b', '{1}', '^$'])('takes %j as text', (query) => {
    const search = new Search(filled(out(`x${query}x\n`)), query, 'both');
    search.step(Infinity);
    expect(search.count).toBe(1);
  });

  test('follows what comes, changes and goes', () => {
    const store = new LogStore(5);
    const search = new Search(store, 'hit', 'both');
    const add = (text: string): void => {
      search.changed(store.append([out(text)]));
      search.step(Infinity);
    };
    add('hit\nhi');
    expect(search.count).toBe(1);
    add('t');
    expect(search.count).toBe(2);
    add('\n1\n2\n3\n4\n');
    expect(search.count).toBe(1);
    add('5\n6\n');
    expect(search.count).toBe(0);
  });

  test('stops at its time', () => {
    const search = new Search(filled(out('x\n'.repeat(1000))), 'x', 'both');
    expect(search.step(0)).toBe(true);
    expect(search.count).toBeLessThan(1000);
  });
});

describe('places of rows', () => {
  test('are found by their number', () => {
    const even = new Even({ first: 10, end: 20 });
    expect([even.total, even.top(12), even.at(2.5), even.at(99)]).toEqual([10, 2, 12, 19]);
  });

  test('are found by their text where it wraps, also after rows have gone', () => {
    const source = { first: 0, end: 50_000, length: (row: number) => (row % 2 === 0 ? 25 : 5) };
    const wrapped = new Wrapped(source, 10);
    expect([wrapped.total, wrapped.top(2), wrapped.at(3.5)]).toEqual([100_000, 4, 1]);
    source.first = 30_000;
    source.end = 60_000;
    wrapped.update(50_000);
    expect([wrapped.total, wrapped.top(30_002), wrapped.at(0), wrapped.at(59_999.5)]).toEqual([60_000, 4, 30_000, 59_999]);
    expect(wrapped.top(29_998)).toBe(-4);
  });
});
