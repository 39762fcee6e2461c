// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from 'vitest';

import { hello, id, NOW, sandbox, stats } from './fake';
import { TestPage } from './page';

const port = { port: 3000, host_port: 43000, url: 'http://127.0.0.1:43000', listening: true, proxy: '' };
const web = sandbox({ id: id(1), name: 'web', port_map: [port] });

let page: TestPage;
afterEach(() => page.mounted.dispose());

describe('the list', () => {
  it('says what to do next where it is empty', async () => {
    page = await TestPage.with();
    expect(page.text).toContain('No active sandboxes');
    expect(page.text).toContain('%sandbox create node');
  });

  it('claims nothing before the server has spoken', () => {
    page = new TestPage();
    expect(page.text).not.toContain('No active sandboxes');
  });

  it('shows state, times, ports and usage', async () => {
    page = await TestPage.with(web);
    await page.say({ type: 'stats', stats: { [web.id]: stats() } });
    const row = page.find('row', /web/).textContent?.replaceAll('\u00a0', ' ') ?? '';
    expect(row).toContain('active');
    expect(row).toMatch(/1 min · (1 h|59 min) left/);
    expect(page.find('link', 'Open the page of port 3000').getAttribute('href')).toBe(
      'http://127.0.0.1:43000/'
    );
    expect(page.find('img', 'CPU 2 %')).toBeDefined();
    expect(page.find('img', 'Memory 34 MiB')).toBeDefined();
  });

  it('follows what the server pushes', async () => {
    page = await TestPage.with();
    await page.say({ type: 'sandboxes', sandboxes: [{ ...web, status: 'creating', step: 'pulling' }] });
    expect(page.text).toContain('creating…');
    expect(page.text).toContain('pulling · 1 min');
    await page.say({ type: 'sandboxes', sandboxes: [web] });
    expect(page.text).toContain('active');
    await page.say({ type: 'sandboxes', sandboxes: [{ ...web, status: 'terminated' }] });
    expect(page.text).toContain('No active sandboxes');
    expect(page.text).toContain('web has ended.');
  });

  it('keeps the elements of the rows that did not change', async () => {
    const many = Array.from({ length: 50 }, (_, n) => sandbox({ id: id(n + 1), name: `box-${n}` }));
    page = await TestPage.with(...many);
    const rows = page.all('.orkee-row');
    const seen = vi.fn();
    const observer = new MutationObserver(seen);
    page.all('.orkee-row').forEach((row) => {
      if (!row.textContent?.includes('box-7')) {
        observer.observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
      }
    });
    await page.say({ type: 'sandboxes', sandboxes: [{ ...many[7], status: 'paused' }] });
    expect(page.all('.orkee-row')).toEqual(rows);
    expect(observer.takeRecords()).toEqual([]);
    expect(seen).not.toHaveBeenCalled();
    observer.disconnect();
  });

  it('shows hostile text as text', async () => {
    const evil = '<img src=x onerror="globalThis.hurt=1"><script>globalThis.hurt=1</script>';
    const problem = { code: 'x', detail: evil, remedy: evil, lines: [evil] };
    page = await TestPage.with(sandbox({ id: id(1), name: evil, template: evil, step: evil }));
    await page.say({
      type: 'sandboxes',
      sandboxes: [sandbox({ id: id(1), name: evil, status: 'failed', reason: evil, problem })]
    });
    await page.click('button', evil);
    expect(page.all('img, script')).toEqual([]);
    expect(page.text).toContain(evil);
    expect('hurt' in globalThis).toBe(false);
  });

  it('has no link to where a sandbox says it is', async () => {
    const bad = { ...port, url: 'javascript:alert(1)' };
    page = await TestPage.with(sandbox({ id: id(1), port_map: [bad] }));
    expect(page.all('a')).toEqual([]);
  });

  it('is filtered by text, and says when nothing is left', async () => {
    page = await TestPage.with(web, sandbox({ id: id(2), name: 'api' }));
    await page.type('Filter by text', 'ap');
    expect(page.all('.orkee-row')).toHaveLength(1);
    await page.type('Filter by text', 'zzz');
    expect(page.text).toContain('No sandbox matches.');
    await page.click('button', 'Show all');
    expect(page.all('.orkee-row')).toHaveLength(2);
  });

  it('has the ended ones folded away', async () => {
    page = await TestPage.with(sandbox({ id: id(1), name: 'old', status: 'terminated' }));
    expect(page.text).not.toContain('old');
    await page.click('button', 'History');
    expect(page.find('button', 'History').getAttribute('aria-expanded')).toBe('true');
    expect(page.text).toContain('old');
  });
});

describe('a stop', () => {
  it('can be undone in its row, by the same button', async () => {
    page = await TestPage.with(web);
    page.transport.on(/DELETE/, { sandbox: { ...web, stop_at: NOW + 5 } });
    page.transport.on(/keep/, { sandbox: web });
    await page.click('button', 'Stop web');
    expect(page.text).toContain('stopping…');
    expect(page.text).toMatch(/stops in [45] s/);
    expect(page.focused).toBe('Undo the stop of web');
    await page.click('button', 'Undo the stop of web');
    expect(page.transport.requests(/POST .*keep/)).toHaveLength(1);
    expect(page.text).toContain('active');
  });

  it('that another page asked for can be undone here', async () => {
    page = await TestPage.with(web);
    await page.say({ type: 'sandboxes', sandboxes: [{ ...web, stop_at: NOW + 3 }] });
    expect(page.find('button', 'Undo the stop of web')).toBeDefined();
  });
});

describe('one that failed', () => {
  const problem = { code: 'command_exited', detail: 'It ended.', remedy: 'Mend it.', lines: ['oops'] };
  const failed = { ...web, status: 'failed' as const, problem };

  it('shows why, what to do and its last lines, until it is dismissed', async () => {
    page = await TestPage.with({ ...web, status: 'creating' });
    await page.say({ type: 'sandboxes', sandboxes: [failed] });
    const alert = page.find('alert', /It ended/).textContent;
    expect(alert).toContain('Mend it.');
    expect(alert).toContain('oops');
    await page.click('button', 'Dismiss web');
    expect(page.text).toContain('No active sandboxes');
  });

  it('is tried again in the form where another page made it', async () => {
    page = await TestPage.with({ ...web, status: 'creating' });
    await page.say({ type: 'sandboxes', sandboxes: [failed] });
    await page.click('button', 'Try again');
    expect((page.find('field', 'Name') as HTMLInputElement).value).toBe('web');
    expect(page.find('radio', /node/).getAttribute('aria-checked')).toBe('true');
  });
});

describe('the keyboard', () => {
  it('goes from name to name', async () => {
    page = await TestPage.with(web, sandbox({ id: id(2), name: 'api', created_at: NOW - 90 }));
    page.find('button', 'web').focus();
    await page.key('ArrowDown');
    expect(page.focused).toBe('api');
    await page.key('Home');
    expect(page.focused).toBe('web');
  });

  it('opens a menu, walks in it, and comes back', async () => {
    page = await TestPage.with(web);
    const more = page.find('button', 'More actions for web');
    more.focus();
    await page.key('ArrowDown');
    expect(more.getAttribute('aria-expanded')).toBe('true');
    expect(page.focused).toBe('Show details');
    await page.key('ArrowUp');
    expect(page.focused).toBe('Copy id');
    await page.key('p');
    expect(page.focused).toBe('Pause');
    await page.key('Escape');
    expect(document.activeElement).toBe(more);
    expect(page.query('menu', /./)).toBeUndefined();
  });

  it('finds the row again after a look at its details', async () => {
    page = await TestPage.with(web);
    await page.click('button', 'web');
    expect(page.focused).toBe('Overview');
    await page.key('Escape');
    expect(page.focused).toBe('web');
  });
});

describe('the line for trouble', () => {
  it('says that the server is gone, and goes when it is back', async () => {
    page = await TestPage.with(web);
    await page.settle(() => page.transport.link.end());
    expect(page.find('alert', /connection to the server is lost/)).toBeDefined();
    expect(page.text).toContain('web');
    await page.click('button', 'Try now');
    await page.say(hello(web));
    expect(page.query('alert', /lost/)).toBeUndefined();
  });

  it('says that there is no engine, and leads to its set-up', async () => {
    page = await TestPage.with();
    page.transport.on(/GET engine$/, { engine: { chosen: null, candidates: [] } });
    page.transport.on(/install/, {});
    await page.say({ type: 'engine', engine: { chosen: null, candidates: [], setup: null } });
    expect(page.find('alert', /no engine/)).toBeDefined();
    await page.click('button', 'Show');
    await page.click('button', 'Set up the engine');
    expect(page.transport.requests(/POST engine\/install/)).toHaveLength(1);
    const setup = { running: true, step: 'building runc', began: NOW - 65 };
    await page.say({ type: 'engine', engine: { chosen: null, candidates: [], setup } });
    expect(page.text).toContain('building runc 1 min');
    expect(page.query('button', 'Set up the engine')).toBeUndefined();
  });
});
