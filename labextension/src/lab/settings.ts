/** This extension's settings in JupyterLab's editor of settings. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { Core } from '../ui/core';
import { finite, text } from '../ui/guards';
import type { Translate } from '../ui/host';
import { DEFAULT_PREFERENCES, type Preferences } from '../ui/preferences';
import { effect } from '../ui/signals';
import type { SortKey } from '../ui/state';

/** The plugin whose settings these are. */
export const PLUGIN = 'orkee-jupyter:plugin';

export interface Settings extends Preferences {
  readonly side: 'left' | 'right';
  readonly rank: number;
  /** Whether a new workspace begins with the panel open. */
  readonly open: boolean;
}

export const DEFAULT_SETTINGS: Settings = {
  ...DEFAULT_PREFERENCES,
  side: 'left',
  rank: 250,
  open: true
};

const SORTS: readonly SortKey[] = ['created', 'name', 'left', 'cpu', 'memory'];

type Values = Record<string, unknown>;

/** Reads what JupyterLab has of the settings; what does not fit is the default. */
export function settingsOf(values: Values): Settings {
  const flag = (key: keyof Settings): boolean => values[key] === true;
  return {
    side: values['side'] === 'right' ? 'right' : 'left',
    rank: finite(values['rank']) ?? DEFAULT_SETTINGS.rank,
    open: values['open'] !== false,
    template: text(values['template'])?.trim() ?? '',
    lifetime: text(values['lifetime'])?.trim() ?? '',
    sort: SORTS.find((each) => each === values['sort']) ?? DEFAULT_SETTINGS.sort,
    timestamps: flag('timestamps'),
    history: flag('history')
  };
}

/** Reads the settings, and each change of them; resolves when they were read once. */
export async function follow(
  registry: ISettingRegistry,
  hear: (settings: Settings) => void
): Promise<void> {
  const loaded = await registry.load(PLUGIN);
  const tell = (): void => hear(settingsOf(loaded.composite));
  loaded.changed.connect(tell);
  tell();
}

/** Has the editor of settings say what the server does where a setting is empty. */
export function describe(registry: ISettingRegistry, core: Core): void {
  registry.transform(PLUGIN, {
    fetch: (plugin) => {
      const lifetime = plugin.schema.properties?.['lifetime'];
      const sentence = ofServer(core);
      if (lifetime !== undefined && sentence !== null) {
        const own = lifetime.description?.split('\n')[0] ?? '';
        lifetime.description = `${own}\n${sentence}`;
      }
      return plugin;
    }
  });
  let told: string | null = null;
  effect(() => {
    void core.state.settings.value;
    const sentence = ofServer(core);
    if (sentence !== told) {
      told = sentence;
      void registry.load(PLUGIN, true).catch(() => undefined); // the sentence is an aid only
    }
  });
}

function ofServer(core: Core): string | null {
  const settings = core.state.settings.peek();
  const t: Translate = core.host.t;
  return settings === null
    ? null
    : t(
        'This server: %1; at most %2 sandboxes at once.',
        period(settings.default_ttl),
        settings.max_sandboxes
      );
}

/** Seconds as they are written in a lifetime. */
function period(seconds: number): string {
  const unit = ([['d', 86400], ['h', 3600], ['m', 60]] as const).find(
    ([, each]) => seconds >= each && seconds % each === 0
  );
  return unit === undefined ? `${seconds} s` : `${seconds / unit[1]}${unit[0]}`;
}
