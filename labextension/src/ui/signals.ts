/**
 * Values that tell when they change, and what is made from them: each is made again only where a
 * value that it has read is another one. Small, since it is sent to the page with each notebook.
 */

import { Component, type ComponentChildren } from 'preact';

export interface ReadonlySignal<T> {
  /** The value; whoever reads it here is told when it changes. */
  readonly value: T;
  /** Reads the value without being told of changes. */
  peek(): T;
}

export interface Signal<T> extends ReadonlySignal<T> {
  value: T;
}

/** What can be read. Its number grows with each change of its value. */
interface Source {
  readonly readers: Set<Reader>;
  number(): number;
}

/** Who reads, and with which number it found each of its sources. */
interface Reader {
  readonly sources: Map<Source, number>;
  /** A source may have changed. */
  doubt(): void;
}

/** Rounds of effects that set what they read, after which that counts as endless. */
const ENDLESS = 100;

let reader: Reader | null = null;
let batches = 0;
const waiting = new Set<Watcher>();

function note(source: Source): void {
  if (reader !== null) {
    source.readers.add(reader);
    reader.sources.set(source, source.number());
  }
}

/** Runs something and keeps what it reads, in place of what was read before. */
function reading<T>(own: Reader, work: () => T): T {
  forget(own);
  const outer = reader;
  reader = own;
  try {
    return work();
  } finally {
    reader = outer;
  }
}

function forget(own: Reader): void {
  own.sources.forEach((_, source) => source.readers.delete(own));
  own.sources.clear();
}

function hasChanged(own: Reader): boolean {
  return [...own.sources].some(([source, number]) => source.number() !== number);
}

/** Returns a value that can be set. */
export function signal<T>(first: T): Signal<T> {
  let now = first;
  let number = 0;
  const source: Source = { readers: new Set(), number: () => number };
  return {
    get value() {
      note(source);
      return now;
    },
    set value(next: T) {
      if (!Object.is(next, now)) {
        now = next;
        number++;
        batch(() => [...source.readers].forEach((each) => each.doubt()));
      }
    },
    peek: () => now
  };
}

/** Returns a value that is made from others: when it is read, and one of them has changed. */
export function computed<T>(make: () => T): ReadonlySignal<T> {
  let now: T;
  let number = 0;
  let isSure = false;
  const readers = new Set<Reader>();
  const own: Reader = {
    sources: new Map(),
    doubt() {
      if (isSure) {
        isSure = false;
        [...readers].forEach((each) => each.doubt());
      }
    }
  };
  const update = () => {
    if (!isSure) {
      if (number === 0 || hasChanged(own)) {
        const next = reading(own, make);
        if (number === 0 || !Object.is(next, now)) {
          now = next;
          number++;
        }
      }
      isSure = true;
    }
    return now;
  };
  const source: Source = { readers, number: () => (update(), number) };
  return {
    get value() {
      update();
      note(source);
      return now;
    },
    peek: update
  };
}

/** Tells once for each batch in which something of what it has read has changed. */
class Watcher implements Reader {
  readonly sources = new Map<Source, number>();

  constructor(readonly changed: () => void) {}

  doubt(): void {
    waiting.add(this);
  }

  end(): void {
    forget(this);
    waiting.delete(this);
  }
}

/**
 * Does something now, and again whenever a value that it has read changes. What it returns, if
 * anything, is called before the next time. Returns what ends it.
 */
export function effect(work: () => void | (() => void)): () => void {
  let clean: void | (() => void);
  const run = () => {
    clean?.();
    clean = undefined;
    clean = reading(watcher, work);
  };
  const watcher = new Watcher(run);
  batch(run);
  return () => {
    watcher.end();
    clean?.();
    clean = undefined;
  };
}

/** Does several things, and has what follows from them done once, at the end. */
export function batch<T>(work: () => T): T {
  batches++;
  try {
    return work();
  } finally {
    try {
      if (batches === 1) {
        settle();
      }
    } finally {
      batches--;
    }
  }
}

/** Has all watchers told; one that fails does not keep the others from it. */
function settle(): void {
  const failures: unknown[] = [];
  for (let round = 0; waiting.size > 0; round++) {
    const told = [...waiting];
    waiting.clear();
    if (round === ENDLESS) {
      throw new Error('An effect sets what it reads, without an end.');
    }
    for (const each of told) {
      try {
        if (hasChanged(each)) {
          each.changed();
        }
      } catch (error) {
        failures.push(error);
      }
    }
  }
  if (failures.length > 0) {
    throw failures[0];
  }
}

/**
 * Returns a component that is painted again when a signal that it has read changes, or when it is
 * given other properties; a parent that is painted again does not repaint it.
 */
export function tracked<P extends object = object>(view: (props: P) => ComponentChildren) {
  return class Tracked extends Component<P> {
    readonly watcher = new Watcher(() => this.forceUpdate());

    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return differ(this.props, next) || differ(next, this.props);
    }

    override componentWillUnmount(): void {
      this.watcher.end();
    }

    override render(props: P): ComponentChildren {
      return reading(this.watcher, () => view(props));
    }
  };
}

function differ(one: object, other: object): boolean {
  return Object.entries(one).some(([key, value]) => !Object.is(value, Reflect.get(other, key)));
}
