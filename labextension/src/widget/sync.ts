/** What the UI shows and the widget's traits `view` and `selected` are the same, either way. */

import { effect } from '../ui/signals';

import type { View } from '../ui/core';
import type { Mounted } from '../ui/mount';
import type { Model } from './model';

const NAMES = ['list', 'new', 'engine', 'sandbox'];

/** Keeps them the same until what it returns is called. */
export function follow(model: Model, mounted: Mounted): () => void {
  const take = (): void => {
    const wanted = wantedView(model, mounted);
    if (wanted !== null) {
      mounted.view.value = wanted;
    }
  };
  take();
  const tell = effect(() => {
    const view = mounted.view.value;
    const selected = view.kind === 'sandbox' ? view.id : null;
    if (model.get('view') !== view.kind || model.get('selected') !== selected) {
      model.set('selected', selected);
      model.set('view', view.kind);
      model.save_changes();
    }
  });
  model.on('change:selected', take);
  model.on('change:view', take);
  return () => {
    tell();
    model.off('change:selected', take);
    model.off('change:view', take);
  };
}

/** Returns what the traits ask for, null where that is shown already. */
function wantedView(model: Model, mounted: Mounted): View | null {
  const now = mounted.view.peek();
  const selected = model.get('selected');
  const kind = String(model.get('view'));
  if (typeof selected === 'string' && selected !== '' && kind === 'sandbox') {
    return now.kind === 'sandbox' && now.id === selected
      ? null
      : { kind: 'sandbox', id: selected, tab: 'overview' };
  }
  if (kind === now.kind || !NAMES.includes(kind)) {
    return null;
  }
  switch (kind) {
    case 'new':
      return { kind: 'new', request: {}, options: false };
    case 'engine':
      return { kind: 'engine' };
    default:
      return { kind: 'list' };
  }
}
