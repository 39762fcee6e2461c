/** Styles of a log as the page's: classes and colours, set through the DOM, never as markup. */

import { BOLD, DIM, INVERSE, ITALIC, MARK, OWN, RGB, STRIKE, UNDERLINE } from './ansi';
import type { Colour, Span, Style } from './ansi';

const FLAGS: readonly (readonly [number, string])[] = [
  [BOLD, 'bold'],
  [DIM, 'dim'],
  [ITALIC, 'italic'],
  [UNDERLINE, 'underline'],
  [STRIKE, 'strike'],
  [MARK, 'mark']
];

/** The sixteen colours where there is a ground to them; alone they are the stylesheet's. */
const BASE = [
  0x000000, 0xb21818, 0x18771a, 0x8a6100, 0x1a5fb4, 0x8c2fa8, 0x0f7178, 0xc9c9c9, 0x666666,
  0xe05656, 0x3fb950, 0xd7a021, 0x6aa5f5, 0xd07be6, 0x3cc2cb, 0xffffff
];
const DARK = 0x111111;
const LIGHT = 0xffffff;
/** Below this contrast a text on its own ground is drawn black or white. */
const LEAST_CONTRAST = 3;

/** A part of a line's text that is to be marked: characters from `start` on, of `length`. */
export interface Highlight {
  start: number;
  length: number;
  isCurrent: boolean;
}

/** Returns a palette's colour as 0xRRGGBB. */
export function rgb(colour: Colour): number {
  if (colour >= RGB) {
    return colour - RGB;
  }
  if (colour < 16) {
    return BASE[colour] ?? 0;
  }
  if (colour >= 232) {
    return (8 + (colour - 232) * 10) * 0x010101;
  }
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const cube = colour - 16;
  return level(Math.floor(cube / 36)) * 65536 + level(Math.floor(cube / 6) % 6) * 256 + level(cube % 6);
}

/** Puts spans into an empty element, as `span` elements with text; highlights are in order. */
export function paint(into: HTMLElement, spans: Span[], highlights: readonly Highlight[] = []): void {
  let at = 0;
  let next = 0;
  for (const span of spans) {
    let text = span.text;
    while (text !== '') {
      let mark = highlights[next];
      while (mark !== undefined && mark.start + mark.length <= at) {
        mark = highlights[++next];
      }
      const isInside = mark !== undefined && mark.start <= at;
      const until = mark === undefined ? Infinity : isInside ? mark.start + mark.length : mark.start;
      const piece = text.slice(0, until - at);
      into.append(element(piece, span.style, isInside ? mark : undefined));
      at += piece.length;
      text = text.slice(piece.length);
    }
  }
}

function element(text: string, style: Style, mark: Highlight | undefined): Node {
  if (style.flags === 0 && style.fg === OWN && style.bg === OWN && mark === undefined) {
    return document.createTextNode(text);
  }
  const span = document.createElement('span');
  span.textContent = text;
  if (mark !== undefined) {
    span.className = mark.isCurrent ? 'orkee-log-hit orkee-log-current' : 'orkee-log-hit';
    return span;
  }
  span.className = FLAGS.filter(([flag]) => style.flags & flag)
    .map(([, name]) => `orkee-log-${name}`)
    .join(' ');
  colour(span, style);
  return span;
}

function colour(span: HTMLElement, { flags, fg, bg }: Style): void {
  const isInverse = (flags & INVERSE) !== 0;
  const ground = isInverse ? fg : bg;
  const text = isInverse ? bg : fg;
  if (ground !== OWN) {
    span.style.backgroundColor = css(rgb(ground));
    span.style.color = css(readable(text, rgb(ground)));
  } else if (isInverse) {
    span.classList.add('orkee-log-inverse');
  } else if (text >= 16) {
    // The stylesheet keeps it apart from the theme's ground.
    span.classList.add('orkee-log-rgb');
    span.style.setProperty('--orkee-log-rgb', css(rgb(text)));
  } else if (text !== OWN) {
    span.classList.add(`orkee-log-fg${text}`);
  }
}

function readable(text: Colour, ground: number): number {
  const wanted = text === OWN ? -1 : rgb(text);
  if (wanted >= 0 && contrast(wanted, ground) >= LEAST_CONTRAST) {
    return wanted;
  }
  return contrast(DARK, ground) > contrast(LIGHT, ground) ? DARK : LIGHT;
}

function contrast(one: number, other: number): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour: number): number {
  const part = (value: number): number => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return (
    0.2126 * part(colour >> 16) + 0.7152 * part((colour >> 8) & 255) + 0.0722 * part(colour & 255)
  );
}

function css(colour: number): string {
  return `#${colour.toString(16).padStart(6, '0')}`;
}
