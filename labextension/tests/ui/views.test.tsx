// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { failure, id, NOW, sandbox, stats } from './fake';
import { TestPage } from './page';

const port = { port: 3000, host_port: 43000, url: 'http://127.0.0.1:43000', listening: true, proxy: '' };
const web = sandbox({ id: id(1), name: 'web', port_map: [port], env: ['KEY'], command: ['node', 'a.js'] });
const created = sandbox({ id: id(2), status: 'creating' });

let page: TestPage;
afterEach(() => page.mounted.dispose());

describe('a new sandbox', () => {
  beforeEach(async () => {
    page = await TestPage.with();
  });

  it('takes two clicks', async () => {
    page.transport.on(/POST sandbox$/, { sandbox: created });
    await page.click('button', 'New Sandbox');
    await page.click('button', 'Create a sandbox from node. Node.js');
    expect(page.transport.requests(/POST sandbox$/)[0]?.body).toEqual({ template: 'node', wait: false });
    expect(page.text).toContain('creating…');
    expect(page.focused).toBe(created.short_id);
  });

  it('has the focus on the first template, and Escape goes back', async () => {
    await page.click('button', 'New Sandbox');
    expect(page.focused).toBe('Create a sandbox from node. Node.js');
    await page.key('Escape');
    expect(page.focused).toBe('New Sandbox');
  });

  it('takes the options, of the template that is chosen by the arrow keys', async () => {
    page.transport.on(/POST sandbox$/, { sandbox: created });
    await page.click('button', 'New Sandbox');
    await page.click('button', 'Options');
    page.find('radio', /node/).focus();
    await page.key('ArrowDown');
    expect(page.find('radio', /python/).getAttribute('aria-checked')).toBe('true');
    await page.type('Name', 'web');
    await page.type('Environment', 'A=1');
    await page.click('button', 'Create');
    expect(page.transport.requests(/POST sandbox$/)[0]?.body).toEqual({
      template: 'python',
      name: 'web',
      env: { A: '1' },
      wait: false
    });
  });

  it('shows what is wrong at its field, and keeps what was typed', async () => {
    page.transport.on(/POST sandbox$/, () => {
      throw failure('name_taken', 'It is taken.', { field: 'name' });
    });
    await page.click('button', 'New Sandbox');
    await page.click('button', 'Options');
    await page.type('Name', 'web');
    await page.click('button', 'Create');
    const name = page.find('field', 'Name') as HTMLInputElement;
    expect(name.value).toBe('web');
    expect(name.getAttribute('aria-invalid')).toBe('true');
    const said = document.getElementById(name.getAttribute('aria-describedby') ?? '');
    expect(said?.textContent).toBe('It is taken. Do something else.');
    expect(document.activeElement).toBe(name);
  });

  it('says in the form what no field is to blame for', async () => {
    page.transport.on(/POST sandbox$/, () => {
      throw failure('no_engine', 'No engine.');
    });
    await page.click('button', 'New Sandbox');
    await page.click('button', /^Create a sandbox from python/);
    expect(page.find('alert', /No engine/).textContent).toContain('Do something else.');
  });

  it('asks for the templates again where they could not be read', async () => {
    let isDown = true;
    page.transport.on(/templates/, () => {
      if (isDown) {
        throw failure('server_unreachable', 'Gone.');
      }
      return { templates: [{ name: 'late' }] };
    });
    await page.click('button', 'New Sandbox');
    isDown = false;
    await page.click('button', 'Try again');
    expect(page.find('button', /^Create a sandbox from late/)).toBeDefined();
  });
});

describe('the details', () => {
  beforeEach(async () => {
    page = await TestPage.with(web);
    await page.click('button', 'web');
  });

  it('say what it is, with the names of the environment alone', async () => {
    await page.say({ type: 'stats', stats: { [web.id]: stats({ processes: 7 }) } });
    expect(page.text).toContain('node a.js');
    expect(page.text).toContain('KEY');
    expect(page.text).toContain('Processes7');
  });

  it('have tabs that the arrow keys change', async () => {
    page.transport.on(/events/, { events: [{ time: NOW, event: 'active', text: 'It is active.' }] });
    await page.key('ArrowLeft');
    expect(page.focused).toBe('Events');
    expect(page.find('tab', 'Events').getAttribute('aria-selected')).toBe('true');
    expect(page.text).toContain('It is active.');
  });

  it('read the events again when it changes', async () => {
    let texts = ['one'];
    page.transport.on(/events/, () => ({
      events: texts.map((text) => ({ time: NOW, event: 'step', text }))
    }));
    await page.click('tab', 'Events');
    texts = ['one', 'two'];
    await page.say({ type: 'sandboxes', sandboxes: [{ ...web, step: 'x' }] });
    expect(page.all('.orkee-events li').map((each) => each.lastChild?.textContent)).toEqual(['two', 'one']);
  });

  it('give it more time', async () => {
    page.transport.on(/extend/, { sandbox: { ...web, expires_at: NOW + 9000 } });
    await page.click('button', 'Extend by 1 h');
    expect(page.text).toMatch(/Time left2 h/);
    await page.click('button', 'Other…');
    await page.type('At least, from now', '90m');
    await page.settle(() => page.all('form')[0]?.dispatchEvent(new Event('submit', { cancelable: true })));
    expect(page.transport.requests(/extend/)[1]?.body).toEqual({ ttl: '90m' });
  });

  it('pause and resume it', async () => {
    page.transport.on(/pause/, { sandbox: { ...web, status: 'paused' } });
    page.transport.on(/resume/, { sandbox: web });
    await page.click('button', 'Pause');
    await page.click('button', 'Resume');
    expect(page.transport.requests(/resume/)[0]?.body).toEqual({ wait: false });
    expect(page.find('button', 'Pause')).toBeDefined();
  });

  it('open its page, and the command of its shell where there is no terminal', async () => {
    await page.click('button', 'Open page');
    await page.click('button', 'Shell');
    expect(page.host.opened).toEqual(['http://127.0.0.1:43000/']);
    expect(page.host.copied).toEqual(['%sandbox shell web']);
    expect(page.text).toContain('Copied: %sandbox shell web');
  });

  it('insert a cell that uses it', async () => {
    await page.click('button', 'More actions for web');
    await page.click('menuitem', 'Insert a cell');
    expect(page.host.cells[0]).toContain('Sandbox.get("web")');
  });

  it('of what is gone say so', async () => {
    await page.settle(() => page.mounted.show(id(77)));
    expect(page.text).toContain('There is no such sandbox any more.');
  });
});

describe('the engine', () => {
  const engine = {
    version: '0.21.7',
    chosen: 'native',
    native: { state: 'ready' },
    candidates: [
      { kind: 'native', usable: true, reason: 'installed' },
      { kind: 'docker', usable: false, reason: 'there is no docker command' }
    ]
  };

  beforeEach(async () => {
    page = await TestPage.with();
    page.transport.on(/GET engine$/, { engine });
    page.transport.on(/GET engine\/cache/, { cache: { bytes: 5 << 20, entries: 3 } });
    page.transport.on(/clean/, { freed_bytes: 4 << 20 });
    await page.click('button', 'Engine');
  });

  it('is shown with why it is used, and why the others are not', () => {
    for (const text of ['Native engine', 'installed', 'running', 'there is no docker command']) {
      expect(page.text).toContain(text);
    }
  });

  it('has its cache cleaned after a question, and says what that freed', async () => {
    expect(page.text).toContain('5 MiB in 3 entries');
    await page.click('button', 'Clean…');
    expect(page.transport.requests(/clean/)).toEqual([]);
    await page.click('button', 'Clean the cache');
    expect(page.transport.requests(/clean/)).toHaveLength(1);
    expect(page.text).toContain('4 MiB are free again.');
  });
});

describe('a mounted UI', () => {
  it('leaves nothing behind', async () => {
    page = await TestPage.with(web);
    page.mounted.dispose();
    expect(page.element.childNodes).toHaveLength(0);
    expect(page.transport.link.isClosed).toBe(true);
  });

  it('asks for the usage while it is seen', async () => {
    page = await TestPage.with(web);
    expect(page.transport.link.of('watch')).toEqual([{ type: 'watch', stats: true }]);
  });

  it('opens the form of a template', async () => {
    page = await TestPage.with();
    await page.settle(() => page.mounted.openNew('python'));
    expect(page.focused).toMatch(/^Create a sandbox from python/);
  });
});
