/** Which lines of a log are shown, by their stream. */

import { lowest } from './lowest';
import type { Kind, LogStore } from './store';

export type Filter = 'both' | 'stdout' | 'stderr';

/** Whether lines of a kind are shown; where bytes are missing is always said. */
export function passes(filter: Filter, kind: Kind): boolean {
  return filter === 'both' || kind === 'dropped' || kind === filter;
}

/** Numbered rows, which keep their number while the oldest are let go. */
export class Rows {
  /** The number of the oldest row. */
  first: number;
  /** Lines of the rows from `first` on; unused where all lines are shown. */
  private lines: number[] = [];
  private seen: number;

  constructor(
    private readonly store: LogStore,
    readonly filter: Filter
  ) {
    this.first = filter === 'both' ? store.first : 0;
    this.seen = store.first;
    this.update();
  }

  /** One more than the number of the newest row. */
  get end(): number {
    return this.filter === 'both' ? this.store.end : this.first + this.lines.length;
  }

  /** Takes in what has come and gone in the store. */
  update(): void {
    if (this.filter === 'both') {
      this.first = this.store.first;
      return;
    }
    for (let line = Math.max(this.seen, this.store.first); line < this.store.end; line++) {
      if (passes(this.filter, this.store.kind(line))) {
        this.lines.push(line);
      }
    }
    this.seen = this.store.end;
    const gone = lowest(this.lines, this.store.first);
    if (gone > 0) {
      this.lines = this.lines.slice(gone);
      this.first += gone;
    }
  }

  line(row: number): number {
    return this.filter === 'both' ? row : (this.lines[row - this.first] ?? 0);
  }

  /** Returns the row of a line, or of the next that is shown. */
  row(line: number): number {
    return this.filter === 'both' ? line : this.first + lowest(this.lines, line);
  }
}
