/**
 * Colours of a line of a log, and nothing else of what a terminal can be told.
 *
 * SGR sequences become styles. Every other escape is swallowed: cursor movement, erasing,
 * titles, links, the alternate screen, bells. A sequence never goes on beyond its line. What
 * would turn the direction of text or hide in it is shown as `[U+202E]`.
 */

/** Bits of `Style.flags`. */
export const BOLD = 1;
export const DIM = 2;
export const ITALIC = 4;
export const UNDERLINE = 8;
export const STRIKE = 16;
export const INVERSE = 32;
/** The text stands for a character that is not shown itself. */
export const MARK = 64;

/** -1: the box's own; 0 to 255: of the palette; from RGB on: that plus 0xRRGGBB. */
export type Colour = number;
export const OWN: Colour = -1;
export const RGB = 0x1000000;

export interface Style {
  readonly flags: number;
  readonly fg: Colour;
  readonly bg: Colour;
}

export interface Span {
  text: string;
  style: Style;
}

export interface Line {
  spans: Span[];
  /** The style that the next line of the same stream begins with. */
  end: Style;
}

export const PLAIN: Style = Object.freeze({ flags: 0, fg: OWN, bg: OWN });

// Controls but tab; lone surrogates; what is invisible or turns the direction. Joiners are
// part of scripts and emoji, but have nothing to join in ASCII.
const HIDDEN =
  '\\u00ad\\u034f\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb' +
  '\\u{e0000}-\\u{e007f}';
const SPECIAL = new RegExp(
  `[\\0-\\x08\\x0a-\\x1f\\x7f-\\x9f\\ud800-\\udfff${HIDDEN}]|(?<=[\\0-\\x7f])[\\u200c\\u200d]`,
  'gu'
);
const ESCAPES = /[\x1b\x90\x98\x9b\x9d-\x9f]/;
const CSI = /(?:\x1b\[|\x9b)([\x30-\x3f]*)([\x20-\x2f]*)([\x40-\x7e]?)/y;
const STRING = /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x18\x1a\x1b\x9c]*(?:[\x07\x18\x1a\x9c]|\x1b\\)?/y;
const ESCAPE = /\x1b[\x20-\x2f]*[\x30-\x7e]?/y;
/** Parameters of one sequence that are looked at. */
const MOST_PARAMETERS = 64;

/** Reads a line's text, which begins in a style. */
export function parse(raw: string, start: Style = PLAIN): Line {
  SPECIAL.lastIndex = 0;
  const first = SPECIAL.exec(raw);
  if (first === null) {
    return { spans: raw === '' ? [] : [{ text: raw, style: start }], end: start };
  }
  const spans: Span[] = [];
  let style = start;
  let at = 0;
  for (let found: RegExpExecArray | null = first; found !== null; found = SPECIAL.exec(raw)) {
    add(spans, raw.slice(at, found.index), style);
    const character = found[0];
    if (ESCAPES.test(character)) {
      at = sequence(raw, found.index, (parameters) => {
        style = select(style, parameters);
      });
    } else {
      at = found.index + character.length;
      add(spans, shown(character), { ...style, flags: style.flags | MARK });
    }
    SPECIAL.lastIndex = at;
  }
  add(spans, raw.slice(at), style);
  return { spans, end: style };
}

/** Returns a line's text alone, as `parse` would. */
export function plain(raw: string): string {
  SPECIAL.lastIndex = 0;
  return SPECIAL.test(raw)
    ? parse(raw)
        .spans.map((span) => span.text)
        .join('')
    : raw;
}

/** Returns the style after a text. */
export function styleAfter(raw: string, start: Style): Style {
  return raw.includes('\x1b') || raw.includes('\x9b') ? parse(raw, start).end : start;
}

function add(spans: Span[], text: string, style: Style): void {
  if (text === '') {
    return;
  }
  const last = spans[spans.length - 1];
  if (last !== undefined && last.style === style) {
    last.text += text;
  } else {
    spans.push({ text, style });
  }
}

/** Returns what stands for a character that is not shown; nothing for a control. */
function shown(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0xa0) {
    return '';
  }
  const isHalf = code >= 0xd800 && code <= 0xdfff;
  return isHalf ? '\ufffd' : `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
}

/** Returns where the sequence that begins at `at` has ended. */
function sequence(raw: string, at: number, sgr: (parameters: string) => void): number {
  for (const kind of [CSI, STRING, ESCAPE]) {
    kind.lastIndex = at;
    const found = kind.exec(raw);
    if (found !== null) {
      if (kind === CSI && found[3] === 'm' && found[2] === '' && /^[\d;:]*$/.test(found[1] ?? '')) {
        sgr(found[1] ?? '');
      }
      return kind.lastIndex;
    }
  }
  return at + 1;
}

const ON: Record<number, number> = { 1: BOLD, 2: DIM, 3: ITALIC, 4: UNDERLINE, 7: INVERSE, 9: STRIKE, 21: UNDERLINE };
const OFF: Record<number, number> = { 22: BOLD | DIM, 23: ITALIC, 24: UNDERLINE, 27: INVERSE, 29: STRIKE };

function select(style: Style, parameters: string): Style {
  let { flags, fg, bg } = style;
  // `38:2::r:g:b` is one parameter with its own parts, `38;2;r;g;b` is five.
  const list = parameters.split(';', MOST_PARAMETERS);
  for (let index = 0; index < list.length; index++) {
    const parts = (list[index] ?? '').split(':', 8).map(Number);
    const code = parts[0] ?? 0;
    if (code === 0) {
      ({ flags, fg, bg } = PLAIN);
    } else if (code in ON) {
      flags = code === 4 && parts[1] === 0 ? flags & ~UNDERLINE : flags | (ON[code] ?? 0);
    } else if (code in OFF) {
      flags &= ~(OFF[code] ?? 0);
    } else if (code === 38 || code === 48 || code === 58) {
      const [colour, used] =
        parts.length > 1 ? [extended(parts, true), 0] : following(list, index);
      index += used;
      fg = code === 38 && colour !== null ? colour : fg;
      bg = code === 48 && colour !== null ? colour : bg;
    } else {
      fg = basic(code, 30, fg);
      bg = basic(code, 40, bg);
    }
  }
  return flags === 0 && fg === OWN && bg === OWN ? PLAIN : { flags, fg, bg };
}

function basic(code: number, base: 30 | 40, otherwise: Colour): Colour {
  const index = code - base;
  if (index >= 0 && index <= 7) {
    return index;
  }
  if (index >= 60 && index <= 67) {
    return index - 52;
  }
  return index === 9 ? OWN : otherwise;
}

/** Reads a colour from the parameters after `38`; also says how many they are. */
function following(list: string[], index: number): [Colour | null, number] {
  const count = list[index + 1] === '5' ? 2 : list[index + 1] === '2' ? 4 : 0;
  return [extended(list.slice(index, index + 1 + count).map(Number), false), count];
}

function extended(parts: number[], hasSpace: boolean): Colour | null {
  if (parts[1] === 5) {
    const number = parts[2] ?? -1;
    return number >= 0 && number <= 255 ? number : null;
  }
  const rgb = parts.slice(hasSpace && parts.length > 5 ? 3 : 2).slice(0, 3);
  const isColour = parts[1] === 2 && rgb.length === 3 && rgb.every((each) => each >= 0 && each <= 255);
  return isColour ? RGB + rgb.reduce((sum, each) => sum * 256 + each, 0) : null;
}
