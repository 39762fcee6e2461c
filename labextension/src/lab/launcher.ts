/** The launcher's card. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';

import { COMMANDS } from './commands';
import { IOrkee } from './tokens';

export const launcher: JupyterFrontEndPlugin<void> = {
  id: 'orkee-jupyter:launcher',
  description: 'The card of a new sandbox in the launcher.',
  autoStart: true,
  requires: [IOrkee],
  optional: [ILauncher],
  activate: (_app: JupyterFrontEnd, orkee: IOrkee, cards: ILauncher | null) => {
    cards?.add({ command: COMMANDS.create, category: orkee.core.host.t('Other'), rank: 3 });
  }
};
