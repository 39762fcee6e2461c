/** What this extension's plugins share: one connection and one state for the page. */

import { Token } from '@lumino/coreutils';

import type { Core, Tab } from '../ui/core';
import type { CreateRequest } from '../ui/api';

export interface IOrkee {
  readonly core: Core;
  /** Brings the panel to the front. */
  open(): void;
  /** Shows the form of a new sandbox in the panel. */
  openNew(request?: Partial<CreateRequest>): void;
  /** Shows one sandbox in the panel. */
  show(id: string, tab?: Tab): void;
}

export const IOrkee = new Token<IOrkee>(
  'orkee-jupyter:IOrkee',
  "The sandboxes of this server: their live state, and the panel that shows them."
);
