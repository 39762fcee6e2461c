import { beforeEach, describe, expect, it } from 'vitest';

import type { LiveMessage, LogEntry, Problem } from '../../src/ui/api';
import { Live } from '../../src/ui/live';
import { FakeClock, FakeTransport, hello, NOW, sandbox } from './fake';

let clock: FakeClock;
let transport: FakeTransport;
let heard: LiveMessage[];
let live: Live;

beforeEach(() => {
  clock = new FakeClock();
  transport = new FakeTransport();
  heard = [];
  live = new Live(transport, (message) => heard.push(message), clock);
});

function opened(): void {
  live.start();
  transport.link.say(hello());
}

describe('the connection', () => {
  it('is open with the first message, and not before', () => {
    live.start();
    expect(live.connection.value.state).toBe('connecting');
    transport.link.say(hello(sandbox()));
    expect(live.connection.value.state).toBe('open');
    expect(heard[0]).toMatchObject({ type: 'hello', sandboxes: [{ status: 'active' }] });
  });

  it('is made once, however often it is started', () => {
    live.start();
    live.start();
    expect(transport.links).toHaveLength(1);
  });

  it('is tried again after 0.25 s, then after twice as long, up to 5 s', () => {
    live.start();
    const waits: number[] = [];
    for (let n = 0; n < 7; n++) {
      transport.link.end();
      const lost = live.connection.value;
      expect(lost.state).toBe('lost');
      waits.push(lost.state === 'lost' ? lost.retryAt - clock.time : -1);
      clock.advance(waits.at(-1)! - 1);
      expect(transport.links).toHaveLength(n + 1);
      clock.advance(1);
      expect(transport.links).toHaveLength(n + 2);
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
  });

  it('begins with a short wait again once it was open', () => {
    live.start();
    transport.link.end();
    clock.advance(250);
    transport.link.end();
    clock.advance(500);
    transport.link.say(hello());
    transport.link.end();
    expect(live.connection.value).toMatchObject({ state: 'lost', retryAt: clock.time + 250 });
  });

  it('says since when it is lost, through all attempts', () => {
    opened();
    transport.link.end();
    const since = clock.time;
    clock.advance(250);
    transport.link.end();
    expect(live.connection.value).toMatchObject({ state: 'lost', since });
  });

  it('can be tried at once, and then not twice', () => {
    live.start();
    transport.link.end();
    live.start();
    expect(transport.links).toHaveLength(2);
    clock.advance(14_000);
    expect(transport.links).toHaveLength(2);
  });

  it('counts as lost after 15 s of silence, and is closed', () => {
    opened();
    clock.advance(14_999);
    expect(live.connection.value.state).toBe('open');
    const silent = transport.link;
    clock.advance(1);
    expect(live.connection.value.state).toBe('lost');
    expect(silent.isClosed).toBe(true);
  });

  it('stays open while the server ticks', () => {
    opened();
    for (let n = 0; n < 10; n++) {
      clock.advance(5000);
      transport.link.say({ type: 'tick' });
    }
    expect(live.connection.value.state).toBe('open');
  });

  it('that was given up says nothing any more', () => {
    opened();
    const old = transport.link;
    clock.advance(15_000 + 250);
    old.say({ type: 'sandboxes', sandboxes: [sandbox()] });
    old.end();
    expect(heard).toHaveLength(1);
    expect(transport.links).toHaveLength(2);
  });

  it('ends with a stop, and is not tried again', () => {
    opened();
    live.stop();
    clock.advance(60_000);
    expect(transport.link.isClosed).toBe(true);
    expect(transport.links).toHaveLength(1);
  });

  it('passes over what it does not understand', () => {
    opened();
    transport.link.say(null, 7, [], { type: 'weather' }, { type: 'log' }, { type: 'engine' });
    expect(heard).toHaveLength(1);
    expect(live.connection.value.state).toBe('open');
  });

  it('asks for the usage again on each new connection', () => {
    live.watch(true);
    opened();
    expect(transport.link.of('watch')).toEqual([{ type: 'watch', stats: true }]);
    transport.link.end();
    clock.advance(250);
    transport.link.say(hello());
    expect(transport.link.of('watch')).toEqual([{ type: 'watch', stats: true }]);
    live.watch(false);
    expect(transport.link.of('watch').at(-1)).toEqual({ type: 'watch', stats: false });
  });
});

describe('a log', () => {
  let entries: LogEntry[];
  let ends: string[];
  let problems: Problem[];
  const sink = {
    entries: (list: LogEntry[]) => void entries.push(...list),
    end: (reason: string) => void ends.push(reason),
    problem: (problem: Problem) => void problems.push(problem)
  };
  const request = { tail: 100, after: null, follow: true };

  beforeEach(() => {
    [entries, ends, problems] = [[], [], []];
  });

  function line(seq: number, text = `line ${seq}`) {
    return { seq, time: NOW, stream: 'stdout', text };
  }

  it('is asked for when the connection is open', () => {
    live.start();
    live.openLog('web', request, sink);
    expect(transport.link.of('logs')).toEqual([]);
    transport.link.say(hello());
    expect(transport.link.of('logs')).toMatchObject([{ ref: 'web', tail: 100, after: null }]);
  });

  it('acknowledges each batch after it was taken', () => {
    opened();
    const order: string[] = [];
    live.openLog('web', request, { ...sink, entries: () => void order.push('taken') });
    const { link } = transport;
    const send = link.send;
    link.send = (message) => (order.push(message.type), send(message));
    link.say({ type: 'log', id: link.of('logs')[0]!.id, entries: [line(1)] });
    expect(order).toEqual(['taken', 'ack']);
  });

  it('goes on after its last entry on a new connection', () => {
    opened();
    live.openLog('web', request, sink);
    transport.link.say({ type: 'log', id: transport.link.of('logs')[0]!.id, entries: [line(41)] });
    transport.link.end();
    clock.advance(250);
    transport.link.say(hello());
    const [again] = transport.link.of('logs');
    expect(again).toMatchObject({ ref: 'web', tail: null, after: 41, follow: true });
    transport.link.say({ type: 'log', id: again!.id, entries: [line(42)] });
    expect(entries.map((each) => each.seq)).toEqual([41, 42]);
  });

  it('begins as it was asked to where nothing had come', () => {
    opened();
    live.openLog('web', request, sink);
    transport.link.end();
    clock.advance(250);
    transport.link.say(hello());
    expect(transport.link.of('logs')).toMatchObject([{ tail: 100, after: null }]);
  });

  it('is closed on the server too, and says nothing more', () => {
    opened();
    const close = live.openLog('web', request, sink);
    const { id } = transport.link.of('logs')[0]!;
    close();
    close();
    transport.link.say({ type: 'log', id, entries: [line(1)] });
    expect(transport.link.of('close')).toEqual([{ type: 'close', id }]);
    expect(entries).toEqual([]);
    expect(transport.link.of('ack')).toEqual([]);
  });

  it('that ended is not asked for again', () => {
    opened();
    live.openLog('web', request, sink);
    transport.link.say({ type: 'log_end', id: transport.link.of('logs')[0]!.id, end: 'exited' });
    transport.link.end();
    clock.advance(250);
    transport.link.say(hello());
    expect(ends).toEqual(['exited']);
    expect(transport.link.of('logs')).toEqual([]);
  });

  it('hears of its problem, and others do not', () => {
    opened();
    live.openLog('web', request, sink);
    live.openLog('other', request, { ...sink, problem: () => expect.unreachable() });
    const problem = { code: 'sandbox_not_found', detail: 'No.', remedy: '' };
    transport.link.say({ type: 'problem', id: transport.link.of('logs')[0]!.id, problem });
    expect(problems).toEqual([problem]);
  });

  it('puts together a character that lies in two entries', () => {
    opened();
    live.openLog('web', request, sink);
    const [one, two] = [btoa('a\xe2\x82'), btoa('\xacb')];
    const parts = [one, two].map((base64, seq) => ({ seq, time: NOW, stream: 'stdout', base64 }));
    transport.link.say({ type: 'log', id: transport.link.of('logs')[0]!.id, entries: parts });
    expect(entries.map((each) => ('text' in each ? each.text : '')).join('')).toBe('a€b');
  });
});
