/** The UI mounted in a page of happy-dom, as a user finds it. */

import { act } from 'preact/test-utils';

import type { Sandbox } from '../../src/ui/api';
import type { Host } from '../../src/ui/host';
import { mount, type Mounted } from '../../src/ui/mount';
import { fakeHost, FakeTransport, hello, template, type FakeHost } from './fake';

export class TestPage {
  readonly transport = new FakeTransport();
  readonly host: FakeHost;
  readonly element = document.createElement('div');
  readonly mounted: Mounted;

  constructor(host: Partial<Host> = {}) {
    this.host = fakeHost(host);
    document.body.replaceChildren(this.element);
    const templates = [template('node', { description: 'Node.js' }), template('python')];
    this.transport.on(/templates/, { templates, problems: [] });
    this.mounted = mount(this.element, this.transport, this.host);
  }

  static async with(...sandboxes: Sandbox[]): Promise<TestPage> {
    const page = new TestPage();
    await page.say(hello(...sandboxes));
    return page;
  }

  async say(...messages: unknown[]): Promise<void> {
    await this.settle(() => this.transport.link.say(...messages));
  }

  /** Does something, and waits until the page shows what came of it. */
  async settle(work: () => void = () => {}): Promise<void> {
    await act(work);
    // What is painted may ask for more, whose answer is painted too.
    for (let round = 0; round < 3; round++) {
      await act(async () => {
        for (let n = 0; n < 20; n++) {
          await Promise.resolve();
        }
      });
    }
  }

  all(selector: string): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>(selector)].filter(
      (each) => each.closest('[hidden]') === null
    );
  }

  /** Finds what a user would call so: by role, and by accessible name. */
  find(role: string, name: string | RegExp): HTMLElement {
    const found = this.query(role, name);
    if (found === undefined) {
      const names = this.all(ROLES[role] ?? `[role=${role}]`).map(nameOf);
      throw new Error(`there is no ${role} ${name}, but: ${names.join(' | ')}`);
    }
    return found;
  }

  query(role: string, name: string | RegExp): HTMLElement | undefined {
    return this.all(ROLES[role] ?? `[role=${role}]`).find((each) => {
      const own = nameOf(each);
      return typeof name === 'string' ? own === name : name.test(own);
    });
  }

  async click(role: string, name: string | RegExp): Promise<void> {
    const element = this.find(role, name);
    await this.settle(() => {
      element.focus();
      element.click();
    });
  }

  async key(key: string, target = document.activeElement): Promise<void> {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
    await this.settle(() => void target?.dispatchEvent(event));
  }

  async type(label: string, text: string): Promise<void> {
    const input = this.find('field', label) as HTMLInputElement;
    await this.settle(() => {
      input.value = text;
      input.dispatchEvent(new Event('input', { bubbles: true }));
    });
  }

  get text(): string {
    return (this.element.textContent ?? '').replaceAll('\u00a0', ' ');
  }

  get focused(): string {
    return document.activeElement === null ? '' : nameOf(document.activeElement as HTMLElement);
  }
}

const ROLES: Record<string, string> = {
  button: 'button:not([role])',
  link: 'a[href]',
  field: 'input, textarea, select',
  row: 'li',
  alert: '[role=alert]'
};

function nameOf(element: HTMLElement): string {
  const label = element.id && document.querySelector(`label[for="${CSS.escape(element.id)}"]`);
  const name =
    element.getAttribute('aria-label') ??
    (label ? label.textContent : (element.closest('label') ?? element).textContent);
  return (name ?? '').replaceAll('\u00a0', ' ').trim();
}
