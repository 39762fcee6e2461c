/** What JupyterLab can do for the UI: its terminals, its editor, its notebook. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard } from '@jupyterlab/apputils';
import { NotebookActions, type INotebookTracker } from '@jupyterlab/notebook';

import type { Sandbox } from '../ui/api';
import { isObject, problem, text } from '../ui/guards';
import type { Host, Translate } from '../ui/host';
import { RequestFailed, type Transport } from '../ui/transport';
import { DRIVE } from './drive';

/** Milliseconds that a download's address is kept: the browser reads it meanwhile. */
const KEPT = 60_000;

export interface HostOptions {
  app: JupyterFrontEnd;
  transport: Transport;
  t: Translate;
  tracker: INotebookTracker | null;
}

export function labHost({ app, transport, t, tracker }: HostOptions): Host {
  const { commands, serviceManager } = app;
  const base = new URL(serviceManager.serverSettings.baseUrl, document.baseURI);
  const host: Host = {
    place: 'panel',
    t,
    hostname: window.location.hostname,
    serverUrl: (path) => {
      const url = new URL(path, base);
      return url.origin === base.origin ? url.href : '';
    },
    open: (url) => void window.open(url, '_blank', 'noopener,noreferrer'),
    copy,
    save,
    openTerminal: async (sandbox) => {
      const name = await terminalOf(transport, sandbox);
      await commands.execute('terminal:open', { name });
    },
    openFile: async (sandbox, path) => {
      await commands.execute('docmanager:open', { path: filePath(sandbox, path) });
    }
  };
  if (tracker !== null) {
    host.insertCell = (code) => insertCell(tracker, code);
  }
  return host;
}

/** The path by which JupyterLab knows a file of a sandbox. */
export function filePath(sandbox: Sandbox, path: string): string {
  return `${DRIVE}:${sandbox.id}/${path.replace(/^(\.?\/)+/, '')}`;
}

function insertCell(tracker: INotebookTracker, code: string): boolean {
  const notebook = tracker.currentWidget?.content;
  if (notebook === undefined) {
    return false;
  }
  NotebookActions.insertBelow(notebook);
  NotebookActions.changeCellType(notebook, 'code');
  notebook.activeCell?.model.sharedModel.setSource(code);
  return notebook.activeCell !== null;
}

async function terminalOf(transport: Transport, sandbox: Sandbox): Promise<string> {
  const answer = await transport.request('POST', `sandbox/${sandbox.id}/terminal`, {});
  const terminal = isObject(answer) ? answer['terminal'] : null;
  const name = isObject(terminal) ? text(terminal['name']) : null;
  if (name === null) {
    throw new RequestFailed(problem(null));
  }
  return name;
}

async function copy(value: string): Promise<void> {
  // Browsers have the first for pages of this machine and https alone.
  if (navigator.clipboard === undefined) {
    Clipboard.copyToSystem(value);
  } else {
    await navigator.clipboard.writeText(value);
  }
}

function save(name: string, data: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}
