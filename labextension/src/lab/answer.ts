/**
 * Dashboards in cells know nothing of the page around them. One that asks, by an event that
 * rises to the window, is lent what JupyterLab can do: terminals, the editor, the notebook.
 */

import type { Host } from '../ui/host';

export const QUESTION = 'orkee:host';

/** What is lent: the members of a host that need JupyterLab. */
export type Lent = Pick<Host, 'openTerminal' | 'openFile' | 'insertCell'>;

export function answerDashboards(host: Host, page: EventTarget = window): () => void {
  const { openTerminal, openFile, insertCell } = host;
  const lent: Lent = {
    ...(openTerminal && { openTerminal }),
    ...(openFile && { openFile }),
    ...(insertCell && { insertCell })
  };
  const answer = (event: Event): void => {
    const detail: unknown = event instanceof CustomEvent ? event.detail : null;
    const accept = (detail as { accept?: unknown } | null)?.accept;
    if (typeof accept === 'function') {
      accept(lent);
    }
  };
  page.addEventListener(QUESTION, answer);
  return () => page.removeEventListener(QUESTION, answer);
}
