/** The side panel: a widget of JupyterLab's around the UI. */

import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Core } from '../ui/core';
import { mount, type Mounted } from '../ui/mount';
import { sandboxIcon } from './icon';

export const PANEL = 'orkee-panel';

export class OrkeePanel extends Widget {
  readonly mounted: Mounted;

  constructor(core: Core) {
    super();
    this.id = PANEL;
    this.addClass('orkee-panel');
    this.title.icon = sandboxIcon;
    this.title.caption = core.host.t('Sandboxes');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', core.host.t('Sandboxes'));
    this.mounted = mount(this.node, core.transport, core.host, { core });
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.mounted.dispose();
      super.dispose();
    }
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    const first = this.node.querySelector<HTMLElement>('button:not([disabled]), input, a[href]');
    first?.focus();
  }
}
