// @vitest-environment happy-dom
import { describe, expect, test } from 'vitest';

import { BOLD, INVERSE, PLAIN, RGB, UNDERLINE, parse, plain } from '../../src/ui/logs/ansi';
import { paint } from '../../src/ui/logs/paint';
import { rowElement } from '../../src/ui/logs/row';
import { untranslated } from '../../src/ui/host';

const E = '\x1b';

/** Random numbers that are the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a line of a log', () => {
  test('keeps text without escapes as it is', () => {
    expect(parse('hello\tworld').spans).toEqual([{ text: 'hello\tworld', style: PLAIN }]);
  });

  test('reads colours and styles in all their forms', () => {
    const style = (sgr: string) => parse(`${E}[${sgr}mx`).spans[0]?.style;
    expect(style('1;31')).toEqual({ flags: BOLD, fg: 1, bg: -1 });
    expect(style('97;104')).toEqual({ flags: 0, fg: 15, bg: 12 });
    expect(style('38;5;200;4')).toEqual({ flags: UNDERLINE, fg: 200, bg: -1 });
    expect(style('48;2;1;2;3;7')).toEqual({ flags: INVERSE, fg: -1, bg: RGB + 0x010203 });
    expect(style('38:2::16:32:48')).toEqual({ flags: 0, fg: RGB + 0x102030, bg: -1 });
    expect(style('38:2:16:32:48')).toEqual({ flags: 0, fg: RGB + 0x102030, bg: -1 });
    expect(style('58;5;9;1')).toEqual({ flags: BOLD, fg: -1, bg: -1 });
    expect(style('31;1;0')).toBe(PLAIN);
    expect(style('31;39')).toBe(PLAIN);
    expect(style('38;5;999')).toBe(PLAIN);
  });

  test('tells the next line its style', () => {
    const { end } = parse(`a${E}[32mb`);
    expect(parse('c', end).spans[0]?.style.fg).toBe(2);
  });

  test.each([
    [`${E}[2J${E}[10;10Ha`, 'a'],
    [`${E}]0;title\x07a`, 'a'],
    [`${E}]8;;http://x${E}\\link${E}]8;;${E}\\`, 'link'],
    [`${E}[?1049ha${E}[?1049l`, 'a'],
    [`a\x07\x08b\x7f`, 'ab'],
    [`\x9b31ma\x9d0;t\x9cb`, 'ab'],
    [`${E}Pq#0${E}\\a`, 'a'],
    [`${E}(Ba${E}c${E}7${E}#8b`, 'ab'],
    [`a${E}[38;5`, 'a'],
    [`a${E}`, 'a'],
    [`a${E}]never ends`, 'a'],
    [`${E}[${E}[31ma`, 'a']
  ])('swallows what is no colour: %j', (raw, text) => {
    expect(plain(raw)).toBe(text);
  });

  test('shows what turns text round or hides in it', () => {
    expect(plain('a\u202eb\u200bc')).toBe('a[U+202E]b[U+200B]c');
    expect(plain('a\u200db')).toBe('a[U+200D]b');
    expect(plain('\ud800x')).toBe('\ufffdx');
    expect(plain('👩‍👩‍👧 שלום')).toBe('👩‍👩‍👧 שלום');
  });

  test('has no control character and only spans of text, whatever comes', () => {
    const next = random(7);
    const pieces = [E, `${E}[`, '\x9b', `${E}]`, ';', ':', 'm', '38', '2', '<b>', '&lt;', '\u202e', '\ud83d'];
    for (let round = 0; round < 3000; round++) {
      let raw = '';
      for (let index = 0; index < 40; index++) {
        const code = Math.floor(next() * (next() < 0.8 ? 256 : 65536));
        raw += next() < 0.4 ? pieces[Math.floor(next() * pieces.length)] : String.fromCharCode(code);
      }
      const into = document.createElement('span');
      paint(into, parse(raw).spans, [{ start: 3, length: 4, isCurrent: true }]);
      const text = into.textContent ?? '';
      expect(text).not.toMatch(/[\0-\x08\x0a-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/);
      expect(text).toBe(plain(raw));
      for (const element of into.querySelectorAll('*')) {
        expect(element.tagName).toBe('SPAN');
        expect(element.getAttributeNames().every((name) => name === 'class' || name === 'style')).toBe(true);
      }
    }
  });

  test('reads a hostile line of any length in no time', () => {
    const began = performance.now();
    for (const unit of [E, `${E}[`, `${E}]`, '\x9d', `${E}[1;`, '\u202e', `${E}[${'1;'.repeat(99)}m`]) {
      parse(unit.repeat(Math.ceil(65536 / unit.length)));
    }
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test('is cut when it is long, until all is asked for', () => {
    const line = { text: 'x'.repeat(9000), kind: 'stdout', time: 1, style: PLAIN } as const;
    const options = { t: untranslated, times: false, highlights: () => [], showAll: () => undefined };
    const cut = rowElement(line, { ...options, isWhole: false });
    expect(cut.querySelector('.orkee-log-text')?.textContent).toHaveLength(4000);
    expect(cut.querySelector('button')?.textContent).toBe('Show all 9000 characters');
    expect(rowElement(line, { ...options, isWhole: true }).textContent).toHaveLength(9000);
  });

  test('is readable on its own ground', () => {
    const into = document.createElement('span');
    paint(into, parse(`${E}[30;40mhidden`).spans);
    const { color, backgroundColor } = (into.firstChild as HTMLElement).style;
    expect(backgroundColor).toBe('#000000');
    expect(color).toBe('#ffffff');
  });
});
