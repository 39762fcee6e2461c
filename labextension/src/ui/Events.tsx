/** What happened to a sandbox, newest first; read again when it changes. */

import { useEffect, useState } from 'preact/hooks';

import type { Sandbox, SandboxEvent } from './api';
import { usePage } from './core';
import { Button } from './parts/Button';
import { clockTime } from './parts/format';
import { ProblemBox } from './parts/ProblemBox';
import { useTask } from './parts/useTask';
import { tracked } from './signals';

export const Events = tracked(function Events({ sandbox }: { sandbox: Sandbox }) {
  const { actions, host, state } = usePage();
  const { t } = host;
  const [events, setEvents] = useState<SandboxEvent[] | null>(null);
  const { problem, run } = useTask();
  const [again, setAgain] = useState(0);
  const isOpen = state.connection.value.state === 'open';
  useEffect(() => {
    let isCurrent = true;
    void run(async () => {
      const list = await actions.events(sandbox);
      if (isCurrent) {
        setEvents(list);
      }
    });
    return () => {
      isCurrent = false;
    };
  }, [sandbox, again, isOpen]);
  return (
    <>
      {problem !== null && (
        <ProblemBox problem={problem}>
          <Button icon="refresh" onClick={() => setAgain(again + 1)}>
            {t('Try again')}
          </Button>
        </ProblemBox>
      )}
      {events?.length === 0 && <p class="orkee-hint">{t('Nothing is known of what happened to it.')}</p>}
      <ol class="orkee-events" aria-label={t('Events, newest first')}>
        {[...(events ?? [])].reverse().map((each, index) => (
          <li key={(events?.length ?? 0) - index}>
            <time dateTime={new Date(each.time * 1000).toISOString()}>{clockTime(each.time)}</time>
            <span>{each.text}</span>
          </li>
        ))}
      </ol>
    </>
  );
});
