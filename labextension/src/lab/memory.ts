/** What a workspace of JupyterLab's keeps of the panel from one load of the page to the next. */

import type { IStateDB } from '@jupyterlab/statedb';

import { TABS, type Core, type View } from '../ui/core';
import { isObject, text } from '../ui/guards';
import type { Mounted } from '../ui/mount';
import { effect } from '../ui/signals';

const SEEN = 'orkee-jupyter:seen';
const VIEW = 'orkee-jupyter:view';

/** Does something in a workspace that has not seen this extension before. */
export async function firstTime(memory: IStateDB, work: () => void): Promise<void> {
  if ((await memory.fetch(SEEN)) === undefined) {
    await memory.save(SEEN, true);
    work();
  }
}

/** Has the panel show the sandbox that it showed last, if there still is one; keeps what it shows. */
export async function keepView(memory: IStateDB, mounted: Mounted): Promise<void> {
  const shown: unknown = await memory.fetch(VIEW).catch(() => undefined);
  await loaded(mounted.core);
  const view = mounted.view.peek().kind === 'list' ? viewOf(shown) : null;
  if (view?.kind === 'sandbox' && mounted.core.state.row(view.id) !== undefined) {
    mounted.show(view.id, view.tab);
  }
  effect(() => {
    const now = mounted.view.value;
    const kept = now.kind === 'sandbox' ? { id: now.id, tab: now.tab } : {};
    memory.save(VIEW, kept).catch(() => undefined); // then it begins with the list
  });
}

export function viewOf(kept: unknown): View | null {
  const id = isObject(kept) ? text(kept['id']) : null;
  const tab = isObject(kept) ? TABS.find((each) => each === kept['tab']) : undefined;
  return id === null ? null : { kind: 'sandbox', id, tab: tab ?? 'overview' };
}

/** Resolves once the server has said what there is. */
function loaded({ state }: Core): Promise<void> {
  return new Promise((resolve) => {
    effect(() => {
      if (state.loaded.value) {
        resolve();
      }
    });
  });
}
