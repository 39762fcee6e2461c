/**
 * The dashboard in a notebook's cell: the UI of `ui/`, with the notebook's kernel as its way to
 * the server. This is what `orkee_jupyter/widget/static/dashboard.js` is built from.
 */

import { untranslated } from './ui/host';
import { mount, type Mounted } from './ui/mount';
import { inPage, pageHost } from './widget/host';
import type { Model } from './widget/model';
import { follow } from './widget/sync';
import { KernelTransport } from './widget/transport';

interface View {
  model: Model;
  el: HTMLElement;
}

/** Shows the dashboard in an element; returns what takes it away again. */
function render({ model, el }: View): () => void {
  const t = untranslated;
  const note = el.ownerDocument.createElement('div');
  note.className = 'orkee-note';
  note.setAttribute('role', 'status');
  const box = el.ownerDocument.createElement('div');
  box.className = 'orkee-widget';
  el.append(note, box);

  const transport = new KernelTransport(model, t, (waiting) => {
    note.textContent =
      waiting === 'busy' ? t('The kernel is busy; this waits for the running cell.') : '';
  });
  const fit = (): void => {
    box.style.maxHeight = String(model.get('height') ?? '');
  };
  let mounted: Mounted | null = null;
  let unfollow = (): void => undefined;
  // Who is around the widget is asked before anything is shown, and hears it only in the page.
  const leave = inPage(el, () => {
    mounted = mount(box, transport, pageHost(el, t));
    unfollow = follow(model, mounted);
  });
  model.on('change:height', fit);
  fit();
  return () => {
    leave();
    model.off('change:height', fit);
    unfollow();
    mounted?.dispose();
    transport.dispose();
    note.remove();
    box.remove();
  };
}

export default { render };
