/** How a host shows the UI in an element of its own. */

import { render } from 'preact';
import type { ReadonlySignal, Signal } from './signals';

import { App } from './App';
import { createCore, createPage, type Core, type Tab, type View } from './core';
import type { CreateRequest, Sandbox } from './api';
import type { Host } from './host';
import type { Connection } from './live';
import type { Transport } from './transport';

export interface MountOptions {
  /** One that the host keeps, and has started: for more than one place with one connection. */
  core?: Core;
}

export interface Mounted {
  dispose(): void;
  readonly state: {
    readonly sandboxes: ReadonlySignal<readonly Sandbox[]>;
    readonly connection: ReadonlySignal<Connection>;
    readonly active: ReadonlySignal<number>;
  };
  /** Shows the form for a new sandbox: of a template, or with what is in a request filled in. */
  openNew(request?: string | Partial<CreateRequest>): void;
  /** Shows one sandbox. */
  show(id: string, tab?: Tab): void;
  /** What it shows; a host may set it. */
  readonly view: Signal<View>;
  readonly core: Core;
}

export function mount(
  element: HTMLElement,
  transport: Transport,
  host: Host,
  options: MountOptions = {}
): Mounted {
  const core = options.core ?? createCore(transport, host);
  const page = createPage({ ...core, host });
  const root = element.ownerDocument.createElement('div');
  root.className = `orkee-ui orkee-ui-${host.place}`;
  element.append(root);
  render(<App page={page} />, root);
  core.live.start();
  const leave = watch(root, core);
  return {
    core,
    view: page.view,
    state: core.state,
    openNew: (request = {}) =>
      page.openNew(typeof request === 'string' ? { template: request } : request),
    show: (id, tab) => page.show(id, tab),
    dispose() {
      leave();
      render(null, root);
      root.remove();
      if (options.core === undefined) {
        core.live.stop();
      }
    }
  };
}

/** Has the clock run, and the usage pushed, while somebody can see the UI. */
function watch(root: HTMLElement, core: Core): () => void {
  const document = root.ownerDocument;
  const window = document.defaultView ?? globalThis;
  let isShown = true;
  let timer: ReturnType<typeof setInterval> | undefined;
  const look = () => {
    const isSeen = isShown && document.visibilityState !== 'hidden';
    core.live.watch(isSeen);
    clearInterval(timer);
    timer = isSeen ? setInterval(() => core.state.tick(), 1000) : undefined;
    if (isSeen) {
      core.state.tick();
    }
  };
  const online = () => core.live.start();
  const Observer = globalThis.IntersectionObserver as typeof IntersectionObserver | undefined;
  const observer =
    Observer &&
    new Observer((seen) => {
      isShown = seen.at(-1)?.isIntersecting ?? true;
      look();
    });
  observer?.observe(root);
  document.addEventListener('visibilitychange', look);
  window.addEventListener('online', online);
  look();
  return () => {
    clearInterval(timer);
    observer?.disconnect();
    core.live.watch(false);
    document.removeEventListener('visibilitychange', look);
    window.removeEventListener('online', online);
  };
}
