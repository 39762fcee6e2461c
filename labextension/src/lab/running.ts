/** The section of the sandboxes in JupyterLab's panel of what runs. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers, type IRunningSessions } from '@jupyterlab/running';
import { Signal } from '@lumino/signaling';
import { effect } from '../ui/signals';

import type { Sandbox } from '../ui/api';
import { called, hasEnded } from '../ui/state';
import { COMMANDS } from './commands';
import { sandboxIcon } from './icon';
import { IOrkee } from './tokens';

export const running: JupyterFrontEndPlugin<void> = {
  id: 'orkee-jupyter:running',
  description: 'The sandboxes among what runs.',
  autoStart: true,
  requires: [IOrkee],
  optional: [IRunningSessionManagers],
  activate: (app: JupyterFrontEnd, orkee: IOrkee, managers: IRunningSessionManagers | null) => {
    managers?.add(manager(app, orkee));
  }
};

export function manager(app: JupyterFrontEnd, { core, show }: IOrkee): IRunningSessions.IManager {
  const { state, live, host } = core;
  const t = host.t;
  const list = (): Sandbox[] => state.sandboxes.peek().filter((each) => !hasEnded(each.status));
  const stop = (id: string): void => void app.commands.execute(COMMANDS.stop, { id });
  const runningChanged = new Signal<object, void>({});
  effect(() => {
    void state.sandboxes.value;
    runningChanged.emit();
  });
  return {
    name: t('Sandboxes'),
    running: () =>
      list().map((sandbox) => ({
        icon: () => sandboxIcon,
        label: () => called(sandbox),
        labelTitle: () => `${sandbox.id}\n${sandbox.image}`,
        detail: () => detail(sandbox),
        open: () => show(sandbox.id),
        shutdown: () => stop(sandbox.id)
      })),
    refreshRunning: () => live.start(), // changes are pushed: only a lost connection is to be made
    runningChanged,
    shutdownAll: () => list().forEach(({ id }) => stop(id)),
    shutdownLabel: t('Stop'),
    shutdownAllLabel: t('Stop All'),
    shutdownAllConfirmationText: t(
      'Stop all sandboxes? Their containers end, and their files are removed.'
    )
  };
}

function detail({ status, template, step }: Sandbox): string {
  return [status, step, template].filter(Boolean).join(', ');
}
