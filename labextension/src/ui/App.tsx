/** One mounted UI: a line for trouble, a view, and a voice for what changes. */

import { useEffect } from 'preact/hooks';

import type { Sandbox } from './api';
import { PageContext, usePage, type Page } from './core';
import { Detail } from './Detail';
import { EngineView } from './EngineView';
import type { Translate } from './host';
import { Header } from './Header';
import { List } from './List';
import { NewForm } from './NewForm';
import { called } from './state';
import { tracked } from './signals';

/** Milliseconds for which what was done stays to be read. */
const SAID = 4000;

export function App({ page }: { page: Page }) {
  return (
    <PageContext.Provider value={page}>
      <div class="orkee-app">
        <Header />
        <Main />
        <Said />
        <Changes />
      </div>
    </PageContext.Provider>
  );
}

const Main = tracked(function Main() {
  const { view } = usePage();
  const shown = view.value;
  switch (shown.kind) {
    case 'list':
      return <List />;
    case 'new':
      return <NewForm key={shown} request={shown.request} options={shown.options} />;
    case 'sandbox':
      return <Detail key={shown.id} id={shown.id} tab={shown.tab} />;
    case 'engine':
      return <EngineView />;
  }
});

/** What was done, for a moment. */
const Said = tracked(function Said() {
  const { actions } = usePage();
  const sentence = actions.said.value;
  useEffect(() => {
    if (sentence === '') {
      return;
    }
    const timer = setTimeout(() => actions.say(''), SAID);
    return () => clearTimeout(timer);
  }, [sentence]);
  return (
    <div class="orkee-said" role="status" aria-live="polite">
      {sentence && <span>{sentence}</span>}
    </div>
  );
});

/** Says the changes to those who don't see them. */
const Changes = tracked(function Changes() {
  const { state, host } = usePage();
  const { t } = host;
  const change = state.change.value;
  return (
    <div class="orkee-unseen" aria-live="polite">
      {change !== null && sentenceOf(change.sandbox, t)}
    </div>
  );
});

function sentenceOf(sandbox: Sandbox, t: Translate): string {
  const name = called(sandbox);
  switch (sandbox.status) {
    case 'creating':
      return t('%1 is being created.', name);
    case 'active':
      return t('%1 is active.', name);
    case 'paused':
      return t('%1 is paused.', name);
    case 'terminated':
      return t('%1 has ended.', name);
    case 'failed':
      return t('%1 has failed.', name);
  }
}
