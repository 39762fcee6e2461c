/** Where rows are in a list, in heights of a line of text: by their number, or by their text. */

export interface Heights {
  /** Takes in rows that are new or have changed, from a number on, and those that are gone. */
  update(from: number): void;
  readonly total: number;
  /** Where a row begins. */
  top(row: number): number;
  /** The row at a place. */
  at(place: number): number;
}

interface Range {
  readonly first: number;
  readonly end: number;
}

/** Each row is one line of text. */
export class Even implements Heights {
  constructor(private readonly source: Range) {}

  update(): void {}

  get total(): number {
    return this.source.end - this.source.first;
  }

  top(row: number): number {
    return row - this.source.first;
  }

  at(place: number): number {
    return this.source.first + Math.max(0, Math.min(this.total - 1, Math.floor(place)));
  }
}

/** Rows that have been let go and are still in the sums: to move them all each time would be slow. */
const MOST_GONE = 20_000;

/** A row is as many lines of text as its characters need: about what the page will make of it. */
export class Wrapped implements Heights {
  /** Where each row from `base` on ends, from the beginning of `base`. */
  private ends: number[] = [];
  private base: number;

  constructor(
    private readonly source: Range & { length(row: number): number },
    private readonly columns: number
  ) {
    this.base = source.first;
    this.update(source.first);
  }

  update(from: number): void {
    const { first, end } = this.source;
    if (first - this.base > MOST_GONE) {
      // Some of them stay: whoever draws asks how far the last ones have moved the rest.
      const base = first - MOST_GONE / 2;
      const gone = this.end(base - 1);
      this.ends = this.ends.slice(base - this.base).map((each) => each - gone);
      this.base = base;
    }
    this.ends.length = Math.max(0, Math.min(this.ends.length, from - this.base));
    for (let row = this.base + this.ends.length; row < end; row++) {
      const length = row < first ? 0 : this.source.length(row);
      this.ends.push(this.end(row - 1) + Math.max(1, Math.ceil(length / this.columns)));
    }
  }

  get total(): number {
    return this.end(this.source.end - 1) - this.end(this.source.first - 1);
  }

  top(row: number): number {
    return this.end(row - 1) - this.end(this.source.first - 1);
  }

  at(place: number): number {
    const wanted = place + this.end(this.source.first - 1);
    let [low, high] = [this.source.first, this.source.end - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end(middle) <= wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private end(row: number): number {
    return this.ends[row - this.base] ?? 0;
  }
}
