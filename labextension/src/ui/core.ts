/** The parts that all views share, and how a component finds them. */

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { signal, type Signal } from './signals';

import { Actions } from './actions';
import type { CreateRequest } from './api';
import type { Host } from './host';
import { Live, pageClock, type Clock } from './live';
import { State } from './state';
import type { Transport } from './transport';

export const TABS = ['overview', 'logs', 'files', 'events'] as const;
export type Tab = (typeof TABS)[number];

export type View =
  | { kind: 'list' }
  | { kind: 'new'; request: Partial<CreateRequest>; options: boolean }
  | { kind: 'sandbox'; id: string; tab: Tab }
  | { kind: 'engine' };

/** All there is behind one or more mounted UIs: one connection, one state. */
export interface Core {
  readonly transport: Transport;
  readonly host: Host;
  readonly live: Live;
  readonly state: State;
  readonly actions: Actions;
}

export function createCore(transport: Transport, host: Host, clock: Clock = pageClock): Core {
  // The state needs the connection, and the connection tells the state.
  const live: Live = new Live(transport, (message) => state.hear(message), clock);
  const state: State = new State(live.connection, clock.now);
  return { transport, host, live, state, actions: new Actions(transport, state, host) };
}

/** What one mounted UI shows. */
export interface Page extends Core {
  readonly view: Signal<View>;
  /** Goes to the list, and puts the focus where the user was. */
  home(focus?: string): void;
  show(id: string, tab?: Tab): void;
  openNew(request?: Partial<CreateRequest>, options?: boolean): void;
  /** The id of the row that takes the focus when the list is shown. */
  focus: string | null;
}

export function createPage(core: Core): Page {
  const view = signal<View>({ kind: 'list' });
  const page: Page = {
    ...core,
    view,
    focus: null,
    home(focus) {
      page.focus = focus ?? null;
      view.value = { kind: 'list' };
    },
    show(id, tab = 'overview') {
      view.value = { kind: 'sandbox', id, tab };
    },
    openNew(request = {}, options = false) {
      view.value = { kind: 'new', request, options };
    }
  };
  return page;
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === null) {
    throw new Error('A component is outside of the page.');
  }
  return page;
}
