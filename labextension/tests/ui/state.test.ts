import { beforeEach, describe, expect, it } from 'vitest';

import type { LiveMessage, Sandbox } from '../../src/ui/api';
import type { Connection } from '../../src/ui/live';
import { effect, signal } from '../../src/ui/signals';
import { SAMPLES, State } from '../../src/ui/state';
import { hello, id, NOW, sandbox, stats } from './fake';

let page: number; // milliseconds, by the page's clock
let state: State;

beforeEach(() => {
  page = NOW * 1000;
  state = new State(signal<Connection>({ state: 'open' }), () => page);
});

function say(...sandboxes: Sandbox[]): void {
  state.hear(hello(...sandboxes) as LiveMessage);
}

const numbered = (...numbers: number[]) => numbers.map(id);

describe('what there is', () => {
  it('is what the server said last, whole', () => {
    say(sandbox({ id: id(1) }), sandbox({ id: id(2) }));
    say(sandbox({ id: id(2), status: 'paused' }));
    expect(state.current.value).toEqual(numbered(2));
    expect(state.get(id(1))).toBeUndefined();
    expect(state.get(id(2))?.status).toBe('paused');
  });

  it('keeps what was read of the history', () => {
    say(sandbox({ id: id(1) }));
    state.take([sandbox({ id: id(9), status: 'terminated' })]);
    say(sandbox({ id: id(1) }));
    expect(state.ended.value).toEqual(numbered(9));
  });

  it('changes one row, and repaints no other', () => {
    say(sandbox({ id: id(1) }), sandbox({ id: id(2) }));
    let [one, two, list] = [0, 0, 0];
    effect(() => void (state.row(id(1))?.value, one++));
    effect(() => void (state.row(id(2))?.value, two++));
    effect(() => void (state.visible.value, list++));
    state.take([sandbox({ id: id(1), step: 'stopping' })]);
    expect([one, two, list]).toEqual([2, 1, 1]);
  });

  it('repaints nothing for a sandbox that is as it was, or for its usage', () => {
    say(sandbox({ id: id(1) }));
    let painted = 0;
    effect(() => void (state.row(id(1))?.value, painted++));
    state.take([sandbox({ id: id(1), stats: stats() })]);
    state.hear({ type: 'stats', stats: { [id(1)]: stats({ time: NOW + 2 }) } });
    expect(painted).toBe(1);
    expect(state.samples(id(1)).value).toHaveLength(2);
  });

  it('does not go back from an end: a late answer is passed over', () => {
    say(sandbox({ id: id(1) }));
    state.take([sandbox({ id: id(1), status: 'terminated' })]);
    state.take([sandbox({ id: id(1), stop_at: NOW + 5 })]);
    expect(state.current.value).toEqual([]);
  });

  it('counts the active ones', () => {
    say(sandbox({ id: id(1) }), sandbox({ id: id(2), status: 'creating' }));
    expect(state.active.value).toBe(1);
    state.take([sandbox({ id: id(2) })]);
    expect(state.active.value).toBe(2);
  });
});

describe('one that failed', () => {
  it('before our eyes stays in the list until it is dismissed', () => {
    say(sandbox({ id: id(1), status: 'creating' }));
    state.take([sandbox({ id: id(1), status: 'failed' })]);
    expect(state.visible.value).toEqual(numbered(1));
    state.dismiss(id(1));
    expect(state.visible.value).toEqual([]);
    expect(state.ended.value).toEqual(numbered(1));
  });

  it('while the connection was away stays too', () => {
    say(sandbox({ id: id(1), status: 'creating' }));
    say(sandbox({ id: id(1), status: 'failed' }));
    expect(state.current.value).toEqual(numbered(1));
  });

  it('before this page was there is in the history', () => {
    say(sandbox({ id: id(1), status: 'failed' }));
    expect(state.current.value).toEqual([]);
    expect(state.ended.value).toEqual(numbered(1));
  });
});

describe('the filters', () => {
  beforeEach(() => {
    say(
      sandbox({ id: id(1), name: 'api', created_at: NOW - 3, expires_at: NOW + 10 }),
      sandbox({ id: id(2), name: 'web', template: 'python', created_at: NOW - 2 }),
      sandbox({ id: id(3), status: 'paused', image: 'redis:7', created_at: NOW - 1 })
    );
  });

  it.each([
    ['web', [2]],
    ['PYTHON', [2]],
    ['redis', [3]],
    ['node web', [2]],
    ['nothing', []],
    [' ', [3, 2, 1]]
  ])('find %j in names, ids, templates and images', (text, found) => {
    state.filter.value = text;
    expect(state.visible.value).toEqual(numbered(...found));
  });

  it('let one state through', () => {
    state.statusFilter.value = 'paused';
    expect(state.visible.value).toEqual(numbered(3));
  });

  it.each([
    ['created', [3, 2, 1]],
    ['name', [3, 1, 2]],
    ['left', [1, 3, 2]],
    ['cpu', [1, 3, 2]],
    ['memory', [2, 3, 1]]
  ] as const)('sort by %s', (key, order) => {
    state.hear({
      type: 'stats',
      stats: {
        [id(1)]: stats({ cpu_percent: 90, memory_bytes: 1 }),
        [id(2)]: stats({ cpu_percent: 1, memory_bytes: 900 }),
        [id(3)]: stats({ cpu_percent: 5, memory_bytes: 50 })
      }
    });
    state.sortKey.value = key;
    expect(state.visible.value).toEqual(numbered(...order));
  });
});

describe('the usage', () => {
  it('keeps two minutes of samples', () => {
    for (let n = 0; n < SAMPLES + 5; n++) {
      state.hear({ type: 'stats', stats: { [id(1)]: stats({ time: n }) } });
    }
    const times = state.samples(id(1)).value.map((each) => each.time);
    expect(times).toHaveLength(SAMPLES);
    expect(times.at(-1)).toBe(SAMPLES + 4);
  });

  it('takes a sample once, whichever way it comes', () => {
    state.hear({ type: 'stats', stats: { [id(1)]: stats() } });
    state.take([sandbox({ id: id(1), stats: stats() })]);
    expect(state.samples(id(1)).value).toHaveLength(1);
  });
});

describe('the time', () => {
  it('is the server’s, also where the page’s clock is wrong', () => {
    page = (NOW - 500) * 1000;
    say();
    expect(state.now.value).toBe(NOW);
    page += 3000;
    state.tick();
    expect(state.now.value).toBe(NOW + 3);
  });
});
