import { beforeEach, describe, expect, it } from 'vitest';

import type { LiveMessage, Sandbox } from '../../src/ui/api';
import { createCore, type Core } from '../../src/ui/core';
import { failure, FakeClock, fakeHost, FakeTransport, hello, id, NOW, sandbox } from './fake';
import type { FakeHost } from './fake';

let transport: FakeTransport;
let host: FakeHost;
let core: Core;
const web = sandbox({ id: id(1), name: 'web' });

function start(...sandboxes: Sandbox[]): void {
  transport = new FakeTransport();
  host = fakeHost();
  core = createCore(transport, host, new FakeClock());
  core.state.hear(hello(...sandboxes) as LiveMessage);
}

beforeEach(() => start(web));

describe('a create', () => {
  const request = { template: 'node', env: { KEY: 'secret' } };

  it('does not wait, and has its row at once', async () => {
    transport.on(/POST sandbox$/, { sandbox: sandbox({ id: id(2), status: 'creating' }) });
    await core.actions.create(request);
    expect(transport.asked[0]?.body).toEqual({ ...request, wait: false });
    expect(core.state.get(id(2))?.status).toBe('creating');
  });

  it('that failed is sent again as it was, and its row goes', async () => {
    transport.on(/POST sandbox$/, { sandbox: sandbox({ id: id(2), status: 'creating' }) });
    await core.actions.create(request);
    core.state.take([sandbox({ id: id(2), status: 'failed' })]);
    transport.on(/POST sandbox$/, { sandbox: sandbox({ id: id(3), status: 'creating' }) });
    const again = await core.actions.retry(core.state.get(id(2))!);
    expect(again?.id).toBe(id(3));
    expect(transport.asked.at(-1)?.body).toEqual({ ...request, wait: false });
    expect(core.state.current.value).not.toContain(id(2));
  });

  it('that is refused says so to the form', async () => {
    transport.on(/POST/, () => {
      throw failure('name_taken', 'Taken.');
    });
    await expect(core.actions.create(request)).rejects.toMatchObject({ problem: { detail: 'Taken.' } });
  });

  it('refuses an answer that is no sandbox', async () => {
    transport.on(/POST/, { sandbox: { id: 7 } });
    await expect(core.actions.create(request)).rejects.toMatchObject({ problem: { code: 'internal' } });
  });
});

describe('a stop', () => {
  it('comes after 5 s, and can be taken back', async () => {
    transport.on(/DELETE/, { sandbox: { ...web, stop_at: NOW + 5 } });
    transport.on(/POST .*keep/, { sandbox: web });
    await core.actions.stop(web);
    expect(transport.asked[0]?.path).toBe(`sandbox/${web.id}?after=5`);
    expect(core.state.get(web.id)?.stop_at).toBe(NOW + 5);
    await core.actions.keep(web);
    expect(transport.asked[1]?.path).toBe(`sandbox/${web.id}/keep`);
    expect(core.state.get(web.id)?.stop_at).toBeNull();
  });

  it('of one that is being created comes at once', async () => {
    const creating = sandbox({ id: id(2), status: 'creating' });
    transport.on(/DELETE/, { sandbox: { ...creating, status: 'terminated' } });
    await core.actions.stop(creating);
    expect(transport.asked[0]?.path).toBe(`sandbox/${id(2)}`);
  });

  it('is not asked for twice by a double click', async () => {
    transport.on(/DELETE/, { sandbox: web });
    await Promise.all([core.actions.stop(web), core.actions.stop(web)]);
    expect(transport.asked).toHaveLength(1);
  });

  it('that fails leaves a problem at its row only', async () => {
    transport.on(/DELETE/, () => {
      throw failure('engine_lost', 'Gone.');
    });
    await core.actions.stop(web);
    expect(core.actions.note(web.id).value).toMatchObject({ busy: null, problem: { detail: 'Gone.' } });
    expect(core.actions.note(id(2)).value.problem).toBeNull();
  });

  it('of what has ended in the meantime is none to complain about', async () => {
    transport.on(/DELETE/, () => {
      core.state.take([{ ...web, status: 'terminated' }]);
      throw failure('sandbox_not_active', 'It has ended.');
    });
    await core.actions.stop(web);
    expect(core.actions.note(web.id).value.problem).toBeNull();
  });
});

describe('more time', () => {
  it('is asked for from now on, with what is left', async () => {
    const left = sandbox({ id: id(1), expires_at: NOW + 600 });
    start(left);
    transport.on(/extend/, { sandbox: { ...left, expires_at: NOW + 4200 } });
    await core.actions.addTime(left, 3600);
    expect(transport.asked[0]?.body).toEqual({ ttl: 4200 });
    expect(core.state.get(left.id)?.expires_at).toBe(NOW + 4200);
  });
});

describe('a page', () => {
  const mapping = { port: 3000, host_port: 43000, url: '', listening: true, proxy: '' };

  it('is opened through the link that the server makes', async () => {
    transport.on(/link$/, { path: '/base/orkee/proxy/x/3000/~abc/' });
    await core.actions.openPort(web, mapping);
    expect(transport.asked[0]?.path).toBe(`sandbox/${web.id}/ports/3000/link`);
    expect(host.opened).toEqual(['http://localhost:8888/base/orkee/proxy/x/3000/~abc/']);
  });

  it.each(['//evil.example/orkee/', 'https://evil.example/orkee/', 'javascript:1/orkee/', '/lab', 7])(
    'is not opened at %j',
    async (path) => {
      transport.on(/link$/, { path });
      await core.actions.openPort(web, mapping);
      expect(host.opened).toEqual([]);
      expect(core.actions.note(web.id).value.problem).not.toBeNull();
    }
  );
});

describe('the history', () => {
  const ended = (number: number) =>
    sandbox({ id: id(number), status: 'terminated', created_at: NOW - number });

  it('goes on with the cursor, past what is known already', async () => {
    start(ended(1), ended(2));
    transport.on(/cursor=b%2F$/, { sandboxes: [ended(3)], next: null });
    transport.on(/limit=50$/, { sandboxes: [ended(1), ended(2)], next: 'b/' });
    await core.actions.loadHistory();
    expect(core.state.ended.value).toEqual([id(1), id(2), id(3)]);
    expect(core.actions.moreHistory.value).toBe(false);
  });
});

describe('templates', () => {
  it('are read without what is none, and with what is wrong with their files', async () => {
    const problem = { code: 'invalid_template', detail: 'Bad.', remedy: 'Mend it.' };
    transport.on(/templates/, { templates: [{ name: 'node' }, { image: 'x' }], problems: [problem] });
    await core.actions.loadTemplates();
    expect(core.actions.templates.value?.list.map((each) => each.name)).toEqual(['node']);
    expect(core.actions.templates.value?.problems).toEqual([problem]);
  });
});

describe('words for what was done', () => {
  it('say what was copied, or that it could not be', async () => {
    await core.actions.copy('abc');
    expect(host.copied).toEqual(['abc']);
    expect(core.actions.said.value).toContain('abc');
    host.copy = () => Promise.reject(new Error('denied'));
    await core.actions.copy('def');
    expect(core.actions.said.value).toContain('by hand: def');
  });
});
