/** New lines for who listens: a few as they are, many as a number, and never a flood. */

import type { Translate } from '../host';
import { plain } from './ansi';
import { newLines } from './sentences';
import type { LogStore } from './store';

/** Milliseconds in which lines are gathered, and between two reports of many. */
const QUIET = 1000;
const BUSY = 10_000;
const FEW = 3;
const LONGEST = 300;

export class Announcer {
  private lines = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly t: Translate,
    private readonly say: (text: string) => void
  ) {}

  came(store: LogStore, lines: number): void {
    this.lines += lines;
    if (this.timer === null && lines > 0) {
      this.timer = setTimeout(() => this.report(store), QUIET);
    }
  }

  dispose(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
    }
  }

  private report(store: LogStore): void {
    const { lines } = this;
    this.lines = 0;
    this.timer = null;
    if (lines > FEW) {
      this.say(newLines(lines, this.t));
      this.timer = setTimeout(() => this.pass(store), BUSY);
      return;
    }
    const texts: string[] = [];
    for (let line = Math.max(store.first, store.end - lines); line < store.end; line++) {
      texts.push(plain(store.text(line)).slice(0, LONGEST));
    }
    this.say(texts.join('\n'));
  }

  private pass(store: LogStore): void {
    this.timer = null;
    if (this.lines > 0) {
      this.report(store);
    }
  }
}
