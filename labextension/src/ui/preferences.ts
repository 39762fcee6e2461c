/** What a user has set in the place that shows the UI. Where nothing can be set, these defaults hold. */

import { signal } from './signals';

import type { SortKey } from './state';

export interface Preferences {
  /** The template that a new sandbox begins with; empty: the server's first. */
  readonly template: string;
  /** The lifetime of a new sandbox, such as `2h`; empty: the template's or the server's. */
  readonly lifetime: string;
  readonly sort: SortKey;
  /** Whether logs begin with the time of each line. */
  readonly timestamps: boolean;
  /** Whether the sandboxes that have ended are listed from the beginning. */
  readonly history: boolean;
}

export const DEFAULT_PREFERENCES: Preferences = {
  template: '',
  lifetime: '',
  sort: 'created',
  timestamps: false,
  history: false
};

/** Of the page; whoever shows something for the first time begins with them. */
export const preferences = signal(DEFAULT_PREFERENCES);
