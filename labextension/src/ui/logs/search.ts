/** Where a text is in a log: found a slice at a time, so that no frame waits for it. */

import { plain } from './ansi';
import { lowest } from './lowest';
import type { Highlight } from './paint';
import type { Filter } from './rows';
import { passes } from './rows';
import type { LogStore } from './store';

/** Places that are remembered; of more, only that there are more is known. */
export const MOST_MATCHES = 100_000;
/** Marks in one line. */
const MOST_IN_LINE = 1000;
/** Lines between two looks at the clock. */
const STRIDE = 128;

export class Search {
  /** The place that is current, as an index; -1: none yet. */
  current = -1;
  private readonly pattern: RegExp;
  private lines: number[] = [];
  private starts: number[] = [];
  private next: number;

  constructor(
    private readonly store: LogStore,
    query: string,
    private readonly filter: Filter
  ) {
    this.pattern = new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu');
    this.next = store.first;
  }

  get count(): number {
    return this.lines.length;
  }

  get isFull(): boolean {
    return this.lines.length >= MOST_MATCHES;
  }

  /** The line and the character of the current place. */
  get place(): { line: number; start: number } | null {
    const line = this.lines[this.current];
    const start = this.starts[this.current];
    return line === undefined || start === undefined ? null : { line, start };
  }

  /** Hears that lines from a number on are new or have changed, and that old ones may be gone. */
  changed(from: number): void {
    const keep = lowest(this.lines, from);
    this.lines.length = keep;
    this.starts.length = keep;
    this.next = Math.min(this.next, from);
    const gone = lowest(this.lines, this.store.first);
    if (gone > 0) {
      this.lines = this.lines.slice(gone);
      this.starts = this.starts.slice(gone);
    }
    this.current = Math.max(-1, Math.min(this.current - gone, this.count - 1));
  }

  /** Searches until a time by `performance.now`; returns whether there is more to do. */
  step(until: number): boolean {
    const end = this.store.end;
    let line = Math.max(this.next, this.store.first);
    while (line < end && !this.isFull) {
      const stop = Math.min(end, line + STRIDE);
      for (; line < stop && !this.isFull; line++) {
        this.look(line);
      }
      if (performance.now() >= until) {
        break;
      }
    }
    this.next = line;
    return line < end && !this.isFull;
  }

  /** Makes the place current that is `by` further, round the end; -1 for the one before. */
  move(by: 1 | -1, from: number): void {
    if (this.count === 0) {
      return;
    }
    const start = lowest(this.lines, from);
    const next = this.current >= 0 ? this.current + by : by > 0 ? start : start - 1;
    this.current = (next + this.count) % this.count;
  }

  /** Returns what is to be marked in a text of a line. */
  highlights(line: number, text: string): Highlight[] {
    const place = this.place;
    return this.found(text).map(([start, length]) => ({
      start,
      length,
      isCurrent: place !== null && place.line === line && place.start === start
    }));
  }

  private look(line: number): void {
    const kind = this.store.kind(line);
    if (kind === 'dropped' || !passes(this.filter, kind)) {
      return;
    }
    for (const [start] of this.found(plain(this.store.text(line)))) {
      if (this.isFull) {
        return;
      }
      this.lines.push(line);
      this.starts.push(start);
    }
  }

  private found(text: string): [start: number, length: number][] {
    const places: [number, number][] = [];
    this.pattern.lastIndex = 0;
    for (let found; places.length < MOST_IN_LINE && (found = this.pattern.exec(text)) !== null; ) {
      places.push([found.index, found[0].length]);
    }
    return places;
  }
}
