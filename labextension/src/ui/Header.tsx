/** One line for what is wrong with the connection or the engine, with what to do; else nothing. */

import { useEffect, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

import { usePage } from './core';
import { engineTrouble } from './engine';
import { Button } from './parts/Button';
import { span } from './parts/format';
import { Icon } from './parts/Icon';
import { tracked } from './signals';

/** Milliseconds in which a connection is not spoken of: most are quicker. */
const PATIENCE = 800;

export const Header = tracked(function Header() {
  const page = usePage();
  const { t } = page.host;
  const connection = page.state.connection.value;
  if (connection.state === 'lost') {
    const why = connection.problem?.detail ?? t('The connection to the server is lost.');
    const what = connection.problem?.remedy || t('It is tried again by itself.');
    return (
      <Line kind="error">
        <span>
          {why} {what}
        </span>
        <Button onClick={() => page.live.start()}>{t('Try now')}</Button>
      </Line>
    );
  }
  if (connection.state === 'connecting') {
    return <Connecting />;
  }
  return <EngineLine />;
});

/** Says that it connects only where that takes long. */
function Connecting() {
  const { t } = usePage().host;
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), PATIENCE);
    return () => clearTimeout(timer);
  }, []);
  return slow ? <Line kind="info">{t('Connecting to the server…')}</Line> : null;
}

const EngineLine = tracked(function EngineLine() {
  const page = usePage();
  const { t } = page.host;
  const engine = page.state.engine.value;
  const setup = engine?.setup ?? null;
  if (setup?.running) {
    return (
      <Line kind="info">
        <span>
          {t('Setting up the engine: %1', setup.step)} <Elapsed since={setup.began} />
        </span>
        <EngineButton />
      </Line>
    );
  }
  const trouble = engine === null ? null : engineTrouble(engine, t);
  return trouble === null || page.view.value.kind === 'engine' ? null : (
    <Line kind="warn">
      <span>{trouble}</span>
      <EngineButton />
    </Line>
  );
});

const EngineButton = tracked(function EngineButton() {
  const page = usePage();
  const { t } = page.host;
  return page.view.value.kind === 'engine' ? null : (
    <Button
      onClick={() => {
        page.view.value = { kind: 'engine' };
      }}
    >
      {t('Show')}
    </Button>
  );
});

/** How long something has taken so far, since seconds of 1970. */
export const Elapsed = tracked(function Elapsed({ since }: { since: number }) {
  const { state, host } = usePage();
  return <span class="orkee-dim">{span(state.now.value - since, host.t)}</span>;
});

function Line({ kind, children }: { kind: 'error' | 'warn' | 'info'; children: ComponentChildren }) {
  return (
    <div class={`orkee-line orkee-line-${kind}`} role={kind === 'info' ? 'status' : 'alert'}>
      <Icon name={kind === 'info' ? 'clock' : 'warn'} />
      {children}
    </div>
  );
}
