/**
 * The lines of a log. Chunks of two streams go in; numbered lines come out, which keep their
 * number while the oldest are let go. Text is kept as it came and read when it is shown.
 */

import type { LogEntry } from '../api';
import { PLAIN, styleAfter } from './ansi';
import type { Style } from './ansi';

export type Kind = 'stdout' | 'stderr' | 'dropped';
type Stream = Exclude<Kind, 'dropped'>;

export interface LogLine {
  /** Of `dropped`: how many bytes. */
  text: string;
  kind: Kind;
  /** Seconds since 1970, of the line's first piece; NaN where nobody knows. */
  time: number;
  /** What it begins in. */
  style: Style;
}

/** Lines and characters that are held at most. */
export const MOST_LINES = 200_000;
const MOST_CHARACTERS = 96 * 1024 * 1024;
/** Where a line without an end is cut in two. */
export const LONGEST_LINE = 64 * 1024;

const KINDS: readonly Kind[] = ['stdout', 'stderr', 'dropped'];
const BLOCK = 1024;

/** A thousand lines as arrays: an object for each would be most of the memory. */
class Block {
  readonly texts: string[] = [];
  readonly times = new Float64Array(BLOCK);
  readonly kinds = new Uint8Array(BLOCK);
  readonly styles = new Map<number, Style>();
  characters = 0;
}

interface Open {
  /** The line that the next piece goes on with; -1: a new one. */
  line: number;
  style: Style;
  decoder: TextDecoder;
  /** Whether the decoder holds the beginning of a character. */
  isMidway: boolean;
}

const newOpen = (): Open => ({
  line: -1,
  style: PLAIN,
  decoder: new TextDecoder('utf-8', { ignoreBOM: true }),
  isMidway: false
});

export class LogStore {
  /** The number of the oldest line that is held. */
  first = 0;
  /** One more than the number of the newest line. */
  end = 0;
  /** Of the last entry; null before the first one. */
  lastSeq: number | null = null;
  /** Characters of the longest line so far, escapes counted. */
  longest = 0;
  private readonly blocks: Block[] = [];
  private base = 0;
  private characters = 0;
  private readonly open: Record<Stream, Open> = { stdout: newOpen(), stderr: newOpen() };

  constructor(
    private readonly mostLines = MOST_LINES,
    private readonly mostCharacters = MOST_CHARACTERS
  ) {}

  /** Takes entries in; returns the lowest number of a line that is new or has changed. */
  append(entries: readonly LogEntry[]): number {
    let changed = this.end;
    for (const entry of entries) {
      this.lastSeq = entry.seq;
      if (entry.stream === 'dropped') {
        this.push(String(entry.bytes), 'dropped', NaN, PLAIN);
      } else {
        const text = this.decoded(entry);
        if (text !== '') {
          changed = Math.min(changed, this.write(text, entry.stream, entry.time));
        }
      }
    }
    this.trim();
    return Math.max(changed, this.first);
  }

  /** Returns a line that is held. */
  line(number: number): LogLine {
    const [block, index] = this.place(number);
    return {
      text: visibleEnd(block.texts[index] ?? ''),
      kind: KINDS[block.kinds[index] ?? 0] ?? 'stdout',
      time: block.times[index] ?? NaN,
      style: block.styles.get(index) ?? PLAIN
    };
  }

  /** Returns a line's text, escapes and all. */
  text(number: number): string {
    const [block, index] = this.place(number);
    return visibleEnd(block.texts[index] ?? '');
  }

  kind(number: number): Kind {
    const [block, index] = this.place(number);
    return KINDS[block.kinds[index] ?? 0] ?? 'stdout';
  }

  private place(number: number): [Block, number] {
    const offset = number - this.base;
    const block = this.blocks[Math.floor(offset / BLOCK)];
    if (block === undefined || number < this.first || number >= this.end) {
      throw new RangeError(`There is no line ${number}.`);
    }
    return [block, offset % BLOCK];
  }

  /** Returns a piece as text. A character may be split between two that are not text. */
  private decoded(entry: Exclude<LogEntry, { stream: 'dropped' }>): string {
    const open = this.open[entry.stream];
    if ('base64' in entry) {
      open.isMidway = true;
      return open.decoder.decode(bytes(entry.base64), { stream: true });
    }
    if (open.isMidway) {
      open.isMidway = false;
      return open.decoder.decode() + entry.text;
    }
    return entry.text;
  }

  /** Adds text to a stream; returns the number of the first line it is in. */
  private write(text: string, kind: Stream, time: number): number {
    const open = this.open[kind];
    // The line may have been let go meanwhile, behind many of the other stream.
    open.line = open.line < this.first ? -1 : open.line;
    const changed = open.line < 0 ? this.end : open.line;
    let at = 0;
    while (at < text.length) {
      const found = text.indexOf('\n', at);
      const until = found < 0 ? text.length : found;
      this.extend(open, text.slice(at, until), kind, time);
      if (found >= 0) {
        this.finish(open);
      }
      at = until + 1;
    }
    return changed;
  }

  /** Adds text without a line's end to the open line. */
  private extend(open: Open, text: string, kind: Stream, time: number): void {
    if (open.line < 0) {
      open.line = this.push('', kind, time, open.style);
    }
    let rest = this.replace(open, text);
    while (rest.length > LONGEST_LINE) {
      const cut = LONGEST_LINE - (isHighHalf(rest.charCodeAt(LONGEST_LINE - 1)) ? 1 : 0);
      this.set(open.line, rest.slice(0, cut));
      rest = rest.slice(cut);
      this.finish(open);
      open.line = this.push('', kind, time, open.style);
    }
    this.set(open.line, rest);
  }

  /**
   * Returns what the open line holds with more text. What stands before a carriage return is
   * replaced by what follows it: a progress bar is one line.
   */
  private replace(open: Open, text: string): string {
    const [block, index] = this.place(open.line);
    const held = block.texts[index] ?? '';
    const whole = held + text;
    if (!text.includes('\r') && !held.endsWith('\r')) {
      return whole;
    }
    const content = visibleEnd(whole);
    const cut = content.lastIndexOf('\r') + 1;
    if (cut > 0) {
      open.style = styleAfter(content.slice(0, cut), block.styles.get(index) ?? PLAIN);
      this.setStyle(block, index, open.style);
    }
    return cut > 0 ? whole.slice(cut) : whole;
  }

  private finish(open: Open): void {
    const [block, index] = this.place(open.line);
    const text = visibleEnd(block.texts[index] ?? '');
    this.set(open.line, text);
    open.style = styleAfter(text, block.styles.get(index) ?? PLAIN);
    open.line = -1;
  }

  private set(number: number, text: string): void {
    const [block, index] = this.place(number);
    const change = text.length - (block.texts[index] ?? '').length;
    block.texts[index] = text;
    block.characters += change;
    this.characters += change;
    this.longest = Math.max(this.longest, text.length);
  }

  private push(text: string, kind: Kind, time: number, style: Style): number {
    const offset = this.end - this.base;
    let block = this.blocks[Math.floor(offset / BLOCK)];
    if (block === undefined) {
      block = new Block();
      this.blocks.push(block);
    }
    const index = offset % BLOCK;
    block.texts[index] = text;
    block.times[index] = time;
    block.kinds[index] = KINDS.indexOf(kind);
    this.setStyle(block, index, style);
    block.characters += text.length;
    this.characters += text.length;
    return this.end++;
  }

  private setStyle(block: Block, index: number, style: Style): void {
    if (style === PLAIN) {
      block.styles.delete(index);
    } else {
      block.styles.set(index, style);
    }
  }

  /** Lets the oldest lines go, whole blocks where it is for their size. */
  private trim(): void {
    this.first = Math.max(this.first, this.end - this.mostLines);
    while (
      this.blocks.length > 1 &&
      (this.first - this.base >= BLOCK || this.characters > this.mostCharacters)
    ) {
      this.characters -= this.blocks.shift()?.characters ?? 0;
      this.base += BLOCK;
      this.first = Math.max(this.first, this.base);
    }
  }
}

/** Returns a text without the carriage returns at its end, which have replaced nothing yet. */
function visibleEnd(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 13) {
    end--;
  }
  return end === text.length ? text : text.slice(0, end);
}

function isHighHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function bytes(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return new TextEncoder().encode('\ufffd');
  }
}
