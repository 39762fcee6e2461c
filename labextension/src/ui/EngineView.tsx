/** The engine: which one and why, how it is, and the disk that its cache takes. */

import { useEffect, useState } from 'preact/hooks';

import type { Cache } from './actions';
import type { Engine } from './api';
import { usePage } from './core';
import { candidates, chosen, engineName, engineTrouble, health } from './engine';
import { text } from './guards';
import { Elapsed } from './Header';
import { Button } from './parts/Button';
import { bytes } from './parts/format';
import { ProblemBox } from './parts/ProblemBox';
import { Progress } from './parts/Progress';
import { useTask } from './parts/useTask';
import { Title } from './Title';
import { tracked } from './signals';

export const EngineView = tracked(function EngineView() {
  const page = usePage();
  const { state, actions, host } = page;
  const { t } = host;
  const { problem, run } = useTask();
  const engine = state.engine.value;
  const isOpen = state.connection.value.state === 'open';
  useEffect(() => void run(() => actions.loadEngine()), [isOpen]);
  return (
    <div
      class="orkee-engine"
      onKeyDown={(event) => event.key === 'Escape' && !event.defaultPrevented && page.home()}
    >
      <Title back={() => page.home()}>{t('Engine')}</Title>
      {problem !== null && isOpen && <ProblemBox problem={problem} />}
      {engine === null ? (
        problem === null && <p class="orkee-hint">{t('Asking for the engine…')}</p>
      ) : (
        <>
          <Facts engine={engine} />
          <SetUp engine={engine} />
          {chosen(engine) !== null && <CacheOf />}
          <Others engine={engine} />
        </>
      )}
    </div>
  );
});

function Facts({ engine }: { engine: Engine }) {
  const { t } = usePage().host;
  const kind = chosen(engine);
  const version = text(engine['version']);
  const address = text(engine['runner_host']);
  if (kind === null) {
    return <p class="orkee-hint">{engineTrouble(engine, t)}</p>;
  }
  const facts: [string, string | null][] = [
    [t('In use'), engineName(kind, t)],
    [t('Why'), candidates(engine).find((each) => each.usable)?.reason ?? null],
    [t('State'), health(engine, t)],
    [t('Version'), version === null ? null : `Dagger ${version}`],
    [t('Address'), address]
  ];
  return (
    <dl class="orkee-facts-list">
      {facts.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          )
      )}
    </dl>
  );
}

function SetUp({ engine }: { engine: Engine }) {
  const { actions, host } = usePage();
  const { t } = host;
  const { busy, problem, run } = useTask();
  const { setup } = engine;
  if (setup?.running) {
    return (
      <Progress>
        {setup.step || t('Setting up…')} <Elapsed since={setup.began} />
      </Progress>
    );
  }
  const failed = problem ?? setup?.problem ?? null;
  if (chosen(engine) !== null && failed === null) {
    return null;
  }
  return (
    <>
      {failed !== null && <ProblemBox problem={failed} />}
      {chosen(engine) === null && (
        <>
          <div class="orkee-buttons">
            <Button look="main" disabled={busy} onClick={() => void run(() => actions.installEngine())}>
              {failed === null ? t('Set up the engine') : t('Try again')}
            </Button>
          </div>
          <p class="orkee-hint">
            {t('It is built on the server’s machine, needs no administrator, and takes some minutes the first time.')}
          </p>
        </>
      )}
    </>
  );
}

function CacheOf() {
  const { actions, host } = usePage();
  const { t } = host;
  const [cache, setCache] = useState<Cache | null>(null);
  const [asks, setAsks] = useState(false);
  const { busy, problem, run } = useTask();
  const cleaning = useTask();
  const load = () => run(async () => setCache(await actions.cache()));
  useEffect(() => void load(), []);
  const clean = async () => {
    setAsks(false);
    await cleaning.run(async () => {
      const freed = await actions.cleanCache();
      actions.say(freed === null ? t('The cache is clean.') : t('%1 are free again.', bytes(freed)));
    });
    await load();
  };
  const failed = cleaning.problem ?? problem;
  const size = cache?.bytes != null ? bytes(cache.bytes) : busy ? t('measuring…') : t('not known');
  return (
    <section>
      <h3>{t('Cache')}</h3>
      <div class="orkee-cache">
        <span>
          {t('Layers and images: %1', size)}
          {cache?.entries ? ` ${t('in %1 entries', cache.entries)}` : ''}
        </span>
        {!asks && !cleaning.busy && <Button onClick={() => setAsks(true)}>{t('Clean…')}</Button>}
      </div>
      {asks && (
        <div class="orkee-confirm" role="group" aria-label={t('Clean the cache?')}>
          <p>{t('New sandboxes take longer until it is filled again. Files of sandboxes stay.')}</p>
          <div class="orkee-buttons">
            <Button look="main" onClick={() => void clean()}>
              {t('Clean the cache')}
            </Button>
            <Button onClick={() => setAsks(false)}>{t('Cancel')}</Button>
          </div>
        </div>
      )}
      {cleaning.busy && <Progress>{t('Cleaning…')}</Progress>}
      {failed !== null && <ProblemBox problem={failed} />}
    </section>
  );
}

function Others({ engine }: { engine: Engine }) {
  const { t } = usePage().host;
  const others = candidates(engine).filter((each) => each.kind !== chosen(engine));
  return others.length === 0 ? null : (
    <section>
      <h3>{t('Not in use')}</h3>
      <dl class="orkee-facts-list">
        {others.map((each) => (
          <div key={each.kind}>
            <dt>{engineName(each.kind, t)}</dt>
            <dd>{each.usable ? t('could be used too') : each.reason}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
