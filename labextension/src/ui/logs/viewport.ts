/**
 * A list of which only the rows in sight are in the page. All rows are of one height, or, where
 * lines wrap, of about as many heights as their text needs: then the row that is as far down the
 * list as the scroll bar is laid out as far down the box, and the others around it.
 */

import { Even, Wrapped } from './heights';
import type { Heights } from './heights';

/** Rows beyond the edge that are drawn ahead. */
const AHEAD = 12;
const LEAST_HEIGHT = 8;
const PROBE = 'MMMMMMMMMMMMMMMMMMMM';

export interface Source {
  readonly first: number;
  readonly end: number;
  /** Characters that are drawn of a row, about. */
  length(row: number): number;
  element(row: number): HTMLElement;
}

export class Viewport {
  /** Whether the end is kept in sight. */
  following = true;
  private wraps = false;
  private readonly space = document.createElement('div');
  private readonly sheet = document.createElement('div');
  private readonly shown = new Map<number, HTMLElement>();
  private heights: Heights;
  private rowHeight = 18;
  private columns = 80;
  private height = 0;
  /** The first row when it was last drawn. */
  private first = 0;
  private frame = 0;
  private readonly resized: ResizeObserver | null;

  /** `drawn` is called after each drawing. */
  constructor(
    private readonly box: HTMLElement,
    private source: Source,
    private readonly drawn: () => void
  ) {
    this.space.className = 'orkee-log-space';
    this.sheet.className = 'orkee-log-sheet';
    this.space.append(this.sheet);
    box.append(this.space);
    box.addEventListener('scroll', this.scrolled, { passive: true });
    this.heights = new Even(source);
    this.resized = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(this.measure);
    this.resized?.observe(box);
    this.measure();
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.resized?.disconnect();
    this.box.removeEventListener('scroll', this.scrolled);
    this.space.remove();
  }

  /** Shows other rows, the one given at the top. */
  replace(source: Source, top: number): void {
    this.source = source;
    this.first = source.first;
    this.again(top);
  }

  setWrap(wraps: boolean): void {
    const { top } = this;
    this.wraps = wraps;
    this.box.classList.toggle('orkee-log-wraps', wraps);
    this.measure();
    this.again(top);
  }

  /** Hears that rows from a number on are to be drawn anew. */
  invalidate(from: number): void {
    this.heights.update(from);
    this.forget(from);
    this.request();
  }

  request(): void {
    this.frame ||= requestAnimationFrame(this.draw);
  }

  /** The number of the row at the top of what is in sight. */
  get top(): number {
    return this.heights.at(this.box.scrollTop / this.rowHeight);
  }

  toEnd(): void {
    this.following = true;
    this.request();
  }

  /** Brings a row into sight, and what is marked as current in it. */
  reveal(row: number): void {
    this.following = false;
    this.draw();
    const y = this.heights.top(row) * this.rowHeight;
    const isSeen = y >= this.box.scrollTop && y + this.rowHeight <= this.box.scrollTop + this.height;
    if (!isSeen) {
      this.box.scrollTop = Math.max(0, y - this.height / 2);
    }
    this.draw();
    const mark = this.shown.get(row)?.querySelector<HTMLElement>('.orkee-log-current');
    if (mark) {
      this.revealMark(mark);
    }
  }

  private revealMark(mark: HTMLElement): void {
    const box = this.box.getBoundingClientRect();
    const { left, right, top, bottom } = mark.getBoundingClientRect();
    if (left < box.left || right > box.left + this.box.clientWidth) {
      this.box.scrollLeft += left - box.left - this.box.clientWidth / 3;
    }
    if (top < box.top || bottom > box.top + this.height) {
      this.box.scrollTop += top - box.top - this.height / 3;
      this.draw();
    }
  }

  private readonly scrolled = (): void => {
    // What came since the last drawing has no space yet, and does not count.
    this.following =
      this.space.offsetHeight - this.box.scrollTop - this.height < this.rowHeight / 2;
    this.request();
  };

  private readonly measure = (): void => {
    const probe = document.createElement('div');
    const text = document.createElement('span');
    probe.className = 'orkee-log-row';
    text.textContent = PROBE;
    probe.append(text);
    this.sheet.append(probe);
    this.rowHeight = Math.max(LEAST_HEIGHT, probe.getBoundingClientRect().height || 18);
    const width = text.getBoundingClientRect().width / PROBE.length || 8;
    probe.remove();
    this.height = this.box.clientHeight || 300;
    const columns = Math.max(8, Math.floor((this.box.clientWidth - 16) / width));
    if (columns !== this.columns && this.wraps) {
      this.columns = columns;
      this.heights = new Wrapped(this.source, columns);
    }
    this.columns = columns;
    this.request();
  };

  private again(top: number): void {
    this.heights = this.wraps ? new Wrapped(this.source, this.columns) : new Even(this.source);
    this.forget(-Infinity);
    if (!this.following) {
      this.grow(0);
      this.box.scrollTop = this.heights.top(top) * this.rowHeight;
    }
    this.request();
  }

  private forget(from: number): void {
    for (const [row, element] of this.shown) {
      if (row >= from) {
        element.remove();
        this.shown.delete(row);
      }
    }
  }

  private grow(least: number): number {
    const height = Math.max(least, this.heights.total * this.rowHeight);
    this.space.style.height = `${height}px`;
    return height;
  }

  private readonly draw = (): void => {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { first, end } = this.source;
    const total = this.heights.total * this.rowHeight;
    let top = this.box.scrollTop;
    const gone = first - this.first;
    if (this.following) {
      top = Math.max(0, total - this.height);
    } else if (gone > 0) {
      // What was let go above moves the rest up, and the eye with it.
      top = Math.max(0, top + this.heights.top(this.first) * this.rowHeight);
    }
    this.first = first;
    if (this.wraps && end > first) {
      top = this.drawAround(top, total);
    } else {
      const from = Math.max(first, this.heights.at(top / this.rowHeight) - AHEAD);
      const until = Math.ceil((top + this.height) / this.rowHeight) + AHEAD;
      this.place(from, Math.min(end, first + until));
      this.sheet.style.transform = `translateY(${this.heights.top(from) * this.rowHeight}px)`;
      this.grow(0);
    }
    if (this.following || gone > 0) {
      this.box.scrollTop = top;
    }
    this.drawn();
  };

  /** Lays rows out around the one that is as far down as the scroll bar; returns where that is. */
  private drawAround(top: number, total: number): number {
    const { first, end } = this.source;
    const room = Math.ceil(this.height / this.rowHeight) + 2;
    if (end - first <= room) {
      // All of them, so their height is known.
      this.place(first, end);
      this.sheet.style.transform = '';
      this.space.style.height = `${this.sheet.offsetHeight}px`;
      return this.following ? this.sheet.offsetHeight : top;
    }
    const height = this.grow(this.height + 1);
    const share = Math.max(0, Math.min(1, top / Math.max(1, height - this.height)));
    const place = (share * total) / this.rowHeight;
    const anchor = this.heights.at(place);
    const lines = this.heights.top(anchor + 1) - this.heights.top(anchor);
    const part = Math.max(0, Math.min(1, (place - this.heights.top(anchor)) / lines));
    this.place(Math.max(first, anchor - room), Math.min(end, anchor + room));
    const element = this.shown.get(anchor);
    if (element !== undefined) {
      const inside = element.offsetTop + part * element.offsetHeight;
      this.sheet.style.transform = `translateY(${top + share * this.height - inside}px)`;
    }
    return top;
  }

  /** Has the rows of a range in the page, in order, and no others. */
  private place(from: number, until: number): void {
    for (const [row, element] of this.shown) {
      if (row < from || row >= until) {
        element.remove();
        this.shown.delete(row);
      }
    }
    let next = this.sheet.firstChild;
    for (let row = from; row < until; row++) {
      let element = this.shown.get(row);
      if (element === undefined) {
        element = this.source.element(row);
        this.shown.set(row, element);
        this.sheet.insertBefore(element, next);
      } else {
        next = element.nextSibling;
      }
    }
  }
}
