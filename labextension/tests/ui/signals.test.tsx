// @vitest-environment happy-dom
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { describe, expect, it, vi } from 'vitest';

import { batch, computed, effect, signal, tracked } from '../../src/ui/signals';

describe('a computed value', () => {
  it('is made when it is read, and again only where what it read has changed', () => {
    const one = signal(1);
    const make = vi.fn(() => one.value * 2);
    const twice = computed(make);
    expect(make).not.toHaveBeenCalled();
    expect([twice.value, twice.value, twice.peek()]).toEqual([2, 2, 2]);
    expect(make).toHaveBeenCalledTimes(1);
    one.value = 5;
    expect(twice.value).toBe(10);
  });

  it('that comes out the same changes nothing behind it', () => {
    const number = signal(1);
    const isBig = computed(() => number.value > 10);
    const seen = vi.fn();
    effect(() => seen(isBig.value));
    number.value = 2;
    number.value = 3;
    expect(seen).toHaveBeenCalledTimes(1);
    number.value = 11;
    expect(seen.mock.calls).toEqual([[false], [true]]);
  });

  it('is never seen half changed', () => {
    const one = signal(1);
    const sum = computed(() => double.value + triple.value);
    const double = computed(() => one.value * 2);
    const triple = computed(() => one.value * 3);
    const seen: number[] = [];
    effect(() => void seen.push(sum.value));
    one.value = 2;
    expect(seen).toEqual([5, 10]);
  });

  it('reads what it reads now, not what it read before', () => {
    const [which, one, other] = [signal(true), signal('a'), signal('b')];
    const make = vi.fn(() => (which.value ? one.value : other.value));
    const chosen = computed(make);
    effect(() => void chosen.value);
    which.value = false;
    one.value = 'c';
    expect(make).toHaveBeenCalledTimes(2);
    other.value = 'd';
    expect(chosen.value).toBe('d');
  });

  it('that failed is made again at the next reading', () => {
    const one = signal(0);
    const odd = computed(() => {
      if (one.value === 0) {
        throw new Error('no');
      }
      return one.value;
    });
    expect(() => odd.value).toThrow('no');
    one.value = 1;
    expect(odd.value).toBe(1);
  });
});

describe('an effect', () => {
  it('is done once for a batch, and not for what was set back', () => {
    const [one, other] = [signal(1), signal(1)];
    const seen = vi.fn();
    effect(() => seen(one.value + other.value));
    batch(() => {
      one.value = 2;
      other.value = 2;
    });
    expect(seen.mock.calls).toEqual([[2], [4]]);
    one.value = 2;
    expect(seen).toHaveBeenCalledTimes(2);
  });

  it('may set others, and ends what it began', () => {
    const [one, other] = [signal(1), signal(0)];
    const log: string[] = [];
    const end = effect(() => {
      const now = one.value;
      other.value = now * 10;
      return () => void log.push(`after ${now}`);
    });
    effect(() => void log.push(`other ${other.value}`));
    one.value = 2;
    end();
    one.value = 3;
    expect(log).toEqual(['other 10', 'after 1', 'other 20', 'after 2']);
  });

  it('that fails keeps no other from running', () => {
    const one = signal(0);
    const seen = vi.fn();
    effect(() => {
      if (one.value === 1) {
        throw new Error('bad');
      }
    });
    effect(() => seen(one.value));
    expect(() => (one.value = 1)).toThrow('bad');
    expect(seen).toHaveBeenLastCalledWith(1);
  });

  it('without an end is found out', () => {
    const one = signal(0);
    const go = signal(true);
    const endless = () => effect(() => void (go.value && (one.value = one.value + 1)));
    expect(endless).toThrow('without an end');
    go.value = false;
    expect(one.value).toBeGreaterThan(50);
  });

  it('does not read what it only peeks at', () => {
    const one = signal(1);
    const seen = vi.fn();
    effect(() => seen(one.peek()));
    one.value = 2;
    expect(seen).toHaveBeenCalledTimes(1);
  });
});

describe('a tracked component', () => {
  it('is painted for its signals and properties, and not for its parent', async () => {
    const [text, other] = [signal('a'), signal(0)];
    const painted = vi.fn();
    const Child = tracked(function Child({ name }: { name: string }) {
      painted();
      return <b>{name + text.value}</b>;
    });
    const Parent = tracked(() => <p title={String(other.value)}>{<Child name="x" />}</p>);
    const root = document.createElement('div');
    await act(() => render(<Parent />, root));
    await act(() => void (other.value = 1));
    expect(root.innerHTML).toBe('<p title="1"><b>xa</b></p>');
    expect(painted).toHaveBeenCalledTimes(1);
    await act(() => void (text.value = 'b'));
    expect(root.textContent).toBe('xb');
    await act(() => render(null, root));
    text.value = 'c';
    expect(painted).toHaveBeenCalledTimes(2);
  });
});
