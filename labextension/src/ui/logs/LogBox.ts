/** The log of one sandbox as it is on the page: what comes in, what is drawn, what is looked for. */

import type { LogEntry } from '../api';
import type { Translate } from '../host';
import { SHOWN, rowElement } from './row';
import { Rows } from './rows';
import type { Filter } from './rows';
import { Search } from './search';
import { LogStore } from './store';
import { Viewport } from './viewport';
import type { Source } from './viewport';

/** Milliseconds of a frame that a search may take. */
const SLICE = 8;
/** Characters that a time takes. */
const TIME = 13;

export class LogBox {
  readonly store = new LogStore();
  times = false;
  private rows = new Rows(this.store, 'both');
  private search: Search | null = null;
  private query = '';
  private readonly whole = new Set<number>();
  private readonly view: Viewport;
  /** The end of the rows when it was last in sight. */
  private seen = 0;
  private frame = 0;
  private mustReveal = false;

  constructor(
    box: HTMLElement,
    private readonly t: Translate,
    private readonly changed: () => void
  ) {
    this.view = new Viewport(box, this.source(), () => {
      this.seen = this.view.following ? this.rows.end : this.seen;
      this.changed();
    });
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.view.dispose();
  }

  take(entries: readonly LogEntry[]): void {
    const from = this.store.append(entries);
    this.rows.update();
    this.search?.changed(from);
    this.view.invalidate(this.rows.row(from));
    this.searchOn();
  }

  get filter(): Filter {
    return this.rows.filter;
  }

  setFilter(filter: Filter): void {
    const top = this.rows.end > this.rows.first ? this.rows.line(this.view.top) : 0;
    this.rows = new Rows(this.store, filter);
    this.seen = this.rows.end;
    this.view.replace(this.source(), this.rows.row(top));
    this.find(this.query);
  }

  setTimes(times: boolean): void {
    this.times = times;
    this.view.invalidate(-Infinity);
  }

  setWrap(wraps: boolean): void {
    this.view.setWrap(wraps);
  }

  /** Lines that came since the end was in sight. */
  get unseen(): number {
    return this.view.following ? 0 : this.rows.end - Math.max(this.seen, this.rows.first);
  }

  get following(): boolean {
    return this.view.following;
  }

  toEnd(): void {
    this.view.toEnd();
  }

  get matches(): { count: number; current: number; isFull: boolean } | null {
    return this.search && { count: this.search.count, current: this.search.current, isFull: this.search.isFull };
  }

  find(query: string): void {
    this.query = query;
    this.search = query === '' ? null : new Search(this.store, query, this.rows.filter);
    this.mustReveal = query !== '';
    this.view.invalidate(-Infinity);
    this.searchOn();
  }

  /** Goes to the next place, or the one before. */
  move(by: 1 | -1): void {
    const { search } = this;
    if (search === null || search.count === 0) {
      return;
    }
    search.move(by, this.rows.line(this.view.top));
    this.reveal(search);
  }

  private reveal(search: Search): void {
    const { place } = search;
    if (place !== null) {
      if (place.start > SHOWN - this.query.length) {
        this.whole.add(place.line);
      }
      this.view.invalidate(-Infinity);
      this.view.reveal(this.rows.row(place.line));
      this.changed();
    }
  }

  private searchOn(): void {
    if (this.search !== null) {
      this.frame ||= requestAnimationFrame(this.slice);
    }
  }

  private readonly slice = (): void => {
    this.frame = 0;
    const { search } = this;
    if (search === null) {
      return;
    }
    const isMore = search.step(performance.now() + SLICE);
    if (this.mustReveal && search.count > 0) {
      this.mustReveal = false;
      search.move(1, this.view.following ? this.store.first : this.rows.line(this.view.top));
      this.reveal(search);
    }
    this.changed();
    if (isMore) {
      this.searchOn();
    }
  };

  private source(): Source {
    const { rows } = this;
    return {
      get first() {
        return rows.first;
      },
      get end() {
        return rows.end;
      },
      length: (row) => this.drawnLength(rows.line(row)),
      element: (row) => this.element(rows.line(row))
    };
  }

  private drawnLength(number: number): number {
    const { length } = this.store.text(number);
    return (this.whole.has(number) ? length : Math.min(length, SHOWN)) + (this.times ? TIME : 0);
  }

  private element(number: number): HTMLElement {
    return rowElement(this.store.line(number), {
      t: this.t,
      times: this.times,
      isWhole: this.whole.has(number),
      highlights: (text) => this.search?.highlights(number, text) ?? [],
      showAll: () => {
        this.whole.add(number);
        this.view.invalidate(-Infinity);
      }
    });
  }
}
