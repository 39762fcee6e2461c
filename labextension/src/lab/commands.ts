/** The commands, which menus, the palette, the launcher and shortcuts name. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { effect } from '../ui/signals';

import type { Sandbox, Status } from '../ui/api';
import { text } from '../ui/guards';
import type { Translate } from '../ui/host';
import { called, hasEnded } from '../ui/state';
import { sandboxIcon } from './icon';
import { extended, opened, paused, resumed, stopped, terminal } from './deeds';
import { IOrkee } from './tokens';

export const COMMANDS = {
  create: 'orkee:create',
  panel: 'orkee:open-panel',
  stop: 'orkee:stop',
  page: 'orkee:open-page',
  logs: 'orkee:show-logs',
  terminal: 'orkee:terminal',
  extend: 'orkee:extend',
  pause: 'orkee:pause',
  resume: 'orkee:resume'
} as const;

/** A command that is about one sandbox. */
interface Deed {
  label: string;
  caption: string;
  /** The sandboxes that it can be done with. */
  fits(sandbox: Sandbox): boolean;
  execute(sandbox: Sandbox, args: ReadonlyPartialJSONObject): void | Promise<void>;
}

const STRING = { type: 'string' } as const;
const ABOUT_ONE = {
  type: 'object',
  properties: { id: { ...STRING, description: 'The id of the sandbox; it is asked for without.' } }
} as const;

export const commands: JupyterFrontEndPlugin<void> = {
  id: 'orkee-jupyter:commands',
  description: 'Commands for sandboxes.',
  autoStart: true,
  requires: [IOrkee],
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, orkee: IOrkee, palette: ICommandPalette | null) => {
    const t = orkee.core.host.t;
    const registry = app.commands;
    addGeneral(registry, orkee);
    const deeds = deedsOf(orkee);
    for (const [id, deed] of Object.entries(deeds)) {
      addDeed(registry, orkee, id, deed);
    }
    const category = t('Sandboxes');
    const args = { isPalette: true };
    Object.values(COMMANDS).forEach((command) => palette?.addItem({ command, category, args }));
    effect(() => {
      void orkee.core.state.sandboxes.value;
      Object.keys(deeds).forEach((id) => registry.notifyCommandChanged(id));
    });
  }
};

function addGeneral(registry: CommandRegistry, orkee: IOrkee): void {
  const t = orkee.core.host.t;
  registry.addCommand(COMMANDS.create, {
    label: (args) => (args['isPalette'] === true ? t('New Sandbox…') : t('Sandbox')),
    caption: t('Start a container from a template'),
    icon: sandboxIcon,
    describedBy: { args: { type: 'object', properties: { template: STRING } } },
    execute: ({ template }) => {
      const name = text(template);
      orkee.openNew(name === null ? {} : { template: name });
    }
  });
  registry.addCommand(COMMANDS.panel, {
    label: (args) => (args['isPalette'] === true ? t('Show Sandboxes') : t('Sandboxes')),
    caption: t('Show the panel of the sandboxes'),
    icon: sandboxIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => orkee.open()
  });
}

function deedsOf(orkee: IOrkee): Record<string, Deed> {
  const t = orkee.core.host.t;
  const be =
    (...statuses: Status[]) =>
    ({ status }: Sandbox) =>
      statuses.includes(status);
  return {
    [COMMANDS.stop]: {
      label: t('Stop Sandbox'),
      caption: t('Stop a sandbox: its container ends, and its files are removed'),
      fits: be('creating', 'active', 'paused'),
      execute: (sandbox) => stopped(orkee, sandbox)
    },
    [COMMANDS.page]: {
      label: t('Open Page of Sandbox'),
      caption: t('Open what listens on a port of a sandbox'),
      fits: ({ status, port_map }) => status === 'active' && port_map.length > 0,
      execute: (sandbox) => opened(orkee, sandbox)
    },
    [COMMANDS.logs]: {
      label: t('Show Log of Sandbox'),
      caption: t('Show what the command of a sandbox has written'),
      fits: () => true,
      execute: (sandbox) => orkee.show(sandbox.id, 'logs')
    },
    [COMMANDS.terminal]: {
      label: t('Open Terminal in Sandbox'),
      caption: t('Open a shell of a sandbox in a terminal'),
      fits: be('active'),
      execute: (sandbox) => terminal(orkee, sandbox)
    },
    [COMMANDS.extend]: {
      label: t('Extend Time of Sandbox…'),
      caption: t('Have a sandbox live longer'),
      fits: be('active'),
      execute: (sandbox, args) => extended(orkee, sandbox, text(args['ttl']))
    },
    [COMMANDS.pause]: {
      label: t('Pause Sandbox'),
      caption: t('End the container of a sandbox, and keep its files'),
      fits: be('active'),
      execute: (sandbox) => paused(orkee, sandbox)
    },
    [COMMANDS.resume]: {
      label: t('Resume Sandbox'),
      caption: t('Start a paused sandbox again, with its files'),
      fits: be('paused'),
      execute: (sandbox) => resumed(orkee, sandbox)
    }
  };
}

function addDeed(registry: CommandRegistry, orkee: IOrkee, id: string, deed: Deed): void {
  const { state, host } = orkee.core;
  const fitting = (): Sandbox[] => state.sandboxes.peek().filter((each) => deed.fits(each));
  const named = (args: ReadonlyPartialJSONObject): Sandbox[] => {
    const ref = text(args['id']);
    if (ref !== null) {
      return fitting().filter((each) => each.id === ref);
    }
    const live = fitting().filter((each) => !hasEnded(each.status));
    return live.length > 0 ? live : fitting();
  };
  registry.addCommand(id, {
    label: deed.label,
    caption: deed.caption,
    icon: sandboxIcon,
    describedBy: { args: ABOUT_ONE },
    isEnabled: (args) => named(args).length > 0,
    execute: async (args) => {
      const sandbox = await one(named(args), deed.label, host.t);
      if (sandbox !== null) {
        await deed.execute(sandbox, args);
      }
    }
  });
}

/** Asks which one is meant where there is more than one. */
async function one(list: Sandbox[], title: string, t: Translate): Promise<Sandbox | null> {
  const [only] = list;
  if (list.length < 2 || only === undefined) {
    return only ?? null;
  }
  const items = list.map((each) => `${called(each)} (${each.short_id}, ${each.template})`);
  const { button, value } = await InputDialog.getItem({ title, label: t('Sandbox'), items });
  const index = button.accept && value !== null ? items.indexOf(value) : -1;
  return list[index] ?? null;
}
