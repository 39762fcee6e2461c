/** What a notebook's page can do for the UI, wherever the notebook is shown. */

import type { Host, Translate } from '../ui/host';

/**
 * The event by which a widget asks who is around it for more: JupyterLab's extension answers
 * with terminals, editors and cells of JupyterLab's own.
 */
export const ASK = 'orkee:host';

export interface Asked {
  accept(extra: Partial<Host>): void;
}

/** Milliseconds between two looks whether an element is in the page, and how many there are. */
const LOOK = 20;
const LOOKS = 100;

/** Calls back once an element is in the page, at once if it is; not after what it returns. */
export function inPage(el: HTMLElement, callback: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = (left: number): void => {
    if (el.isConnected || left === 0) {
      callback();
    } else {
      timer = setTimeout(() => look(left - 1), LOOK);
    }
  };
  look(LOOKS);
  return () => clearTimeout(timer);
}

/** Returns the host for a widget in an element of the page. */
export function pageHost(el: HTMLElement, t: Translate): Host {
  let host: Host = {
    place: 'notebook',
    t,
    // In a webview or a frame of its own it says nothing about where the kernel runs.
    hostname: /^https?:$/.test(location.protocol) ? location.hostname : '',
    open: (url) => open(el, url),
    copy: (text) => copy(el, text),
    save: (name, data) => save(el, name, data)
  };
  const accept = (extra: Partial<Host>): void => {
    host = { ...host, ...extra };
  };
  const detail: Asked = { accept };
  el.dispatchEvent(new CustomEvent(ASK, { bubbles: true, composed: true, detail }));
  return host;
}

/** By a link, not `window.open`: editors that show notebooks open links outside of themselves. */
function open(el: HTMLElement, url: string): void {
  const link = el.ownerDocument.createElement('a');
  link.href = url;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  press(el, link);
}

function save(el: HTMLElement, name: string, data: Blob): void {
  const link = el.ownerDocument.createElement('a');
  link.href = URL.createObjectURL(data);
  link.download = name;
  press(el, link);
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function press(el: HTMLElement, link: HTMLAnchorElement): void {
  link.style.display = 'none';
  el.append(link);
  link.click();
  link.remove();
}

async function copy(el: HTMLElement, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not a secure page, or a frame that may not: the old way still works there.
    const box = el.ownerDocument.createElement('textarea');
    box.value = text;
    box.setAttribute('aria-hidden', 'true');
    box.style.position = 'fixed';
    box.style.opacity = '0';
    el.append(box);
    box.select();
    const copied = el.ownerDocument.execCommand('copy');
    box.remove();
    if (!copied) {
      throw new Error('the page may not copy');
    }
  }
}
