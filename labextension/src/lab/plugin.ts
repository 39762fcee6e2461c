/** The main plugin: the connection, the panel, and its settings. */

import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator } from '@jupyterlab/translation';

import { createCore, type Core } from '../ui/core';
import { preferences } from '../ui/preferences';
import { answerDashboards } from './answer';
import { SandboxDrive } from './drive';
import { labHost } from './host';
import { firstTime, keepView } from './memory';
import { OrkeePanel, PANEL } from './panel';
import { DEFAULT_SETTINGS, describe, follow, PLUGIN, type Settings } from './settings';
import { IOrkee } from './tokens';
import { translation } from './translate';
import { LabTransport } from './transport';

export const main: JupyterFrontEndPlugin<IOrkee> = {
  id: PLUGIN,
  description: 'The sandboxes of this server, in a panel at the side.',
  autoStart: true,
  provides: IOrkee,
  optional: [
    ITranslator,
    ISettingRegistry,
    ILayoutRestorer,
    INotebookTracker,
    IStateDB,
    ILabShell
  ],
  activate: async (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    registry: ISettingRegistry | null,
    restorer: ILayoutRestorer | null,
    tracker: INotebookTracker | null,
    memory: IStateDB | null,
    lab: ILabShell | null
  ): Promise<IOrkee> => {
    const settings = app.serviceManager.serverSettings;
    const transport = new LabTransport(settings);
    const host = labHost({ app, transport, t: translation(translator), tracker });
    const core = createCore(transport, host);
    app.serviceManager.contents.addDrive(new SandboxDrive(transport, settings));
    answerDashboards(host);

    const panel = new OrkeePanel(core);
    const place = placed(app, panel);
    const first = await settled(registry, core, place);
    restorer?.add(panel, PANEL);
    const open = (): void => app.shell.activateById(PANEL);
    if (memory !== null) {
      void keepView(memory, panel.mounted);
    }
    // In Notebook 7, whose pages are for one thing each, it waits until it is asked for.
    if (first.open && memory !== null && lab !== null) {
      void app.restored.then(() => firstTime(memory, open));
    }
    return {
      core,
      open,
      openNew: (request) => (open(), panel.mounted.openNew(request)),
      show: (id, tab) => (open(), panel.mounted.show(id, tab))
    };
  }
};

/** Has the settings apply, now and when they change; resolves with the first ones. */
async function settled(
  registry: ISettingRegistry | null,
  core: Core,
  place: (settings: Settings) => void
): Promise<Settings> {
  let last = DEFAULT_SETTINGS;
  const changed = (settings: Settings): void => {
    if (settings.sort !== last.sort) {
      core.state.sortKey.value = settings.sort; // else what was chosen in the panel stays
    }
    last = settings;
    preferences.value = settings;
    place(settings);
  };
  if (registry === null) {
    changed(last);
    return last;
  }
  describe(registry, core);
  await follow(registry, changed).catch((error: unknown) => {
    console.warn('orkee: the settings cannot be read', error);
    changed(last);
  });
  return last;
}

/** Returns what puts the panel where the settings say, and moves it when they say otherwise. */
function placed(app: JupyterFrontEnd, panel: OrkeePanel): (settings: Settings) => void {
  let where = '';
  return ({ side, rank }) => {
    if (where !== `${side} ${rank}`) {
      const isMove = where !== '';
      where = `${side} ${rank}`;
      app.shell.add(panel, side, { rank, type: 'Sandboxes' });
      if (isMove) {
        app.shell.activateById(PANEL);
      }
    }
  };
}
