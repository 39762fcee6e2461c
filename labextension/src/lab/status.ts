/** The status bar's item: how many sandboxes are active. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Widget } from '@lumino/widgets';
import { effect } from '../ui/signals';

import type { Core } from '../ui/core';
import { sandboxIcon } from './icon';
import { IOrkee } from './tokens';

export const status: JupyterFrontEndPlugin<void> = {
  id: 'orkee-jupyter:status',
  description: 'The number of active sandboxes in the status bar.',
  autoStart: true,
  requires: [IOrkee],
  optional: [IStatusBar],
  activate: (_app: JupyterFrontEnd, orkee: IOrkee, bar: IStatusBar | null) => {
    bar?.registerStatusItem('orkee-jupyter:status', {
      item: new StatusItem(orkee.core, orkee.open),
      align: 'left',
      rank: 3
    });
  }
};

class StatusItem extends Widget {
  private readonly stop: () => void;

  constructor({ state, host }: Core, open: () => void) {
    super();
    this.addClass('orkee-status-item');
    const button = document.createElement('button');
    button.type = 'button';
    button.onclick = open;
    const count = document.createElement('span');
    button.append(sandboxIcon.element({ tag: 'span', stylesheet: 'statusBar' }), count);
    this.node.append(button);
    this.stop = effect(() => {
      const active = state.active.value;
      const isLost = state.connection.value.state === 'lost';
      // What was last heard may be wrong by now: then there is no number.
      const known = state.loaded.value && !isLost;
      const sentence = !known
        ? host.t('Sandboxes: the server does not answer')
        : active === 1
          ? host.t('1 active sandbox')
          : host.t('%1 active sandboxes', active);
      count.textContent = known ? String(active) : '–';
      button.title = sentence;
      button.setAttribute('aria-label', sentence);
    });
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }
}
