/** The sandboxes that have ended: folded away, read further when asked. */

import { useId, useState } from 'preact/hooks';

import { usePage } from './core';
import { Button } from './parts/Button';
import { span } from './parts/format';
import { Icon } from './parts/Icon';
import { ProblemBox } from './parts/ProblemBox';
import { useTask } from './parts/useTask';
import { preferences } from './preferences';
import { RowLine, walk } from './Row';
import { tracked } from './signals';

export const History = tracked(function History() {
  const { state, host } = usePage();
  const { t } = host;
  const [open, setOpen] = useState(preferences.value.history);
  const id = useId();
  const count = state.ended.value.length;
  if (count === 0) {
    return null;
  }
  return (
    <section class="orkee-history">
      <h3>
        <button
          type="button"
          class="orkee-fold"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? 'down' : 'right'} />
          {t('History')}
        </button>
      </h3>
      <div id={id} hidden={!open}>
        {open && <Ended />}
      </div>
    </section>
  );
});

const Ended = tracked(function Ended() {
  const { state, actions, host } = usePage();
  const { t } = host;
  const { busy, problem, run } = useTask();
  return (
    <>
      <ul class="orkee-rows" role="list" aria-label={t('Ended sandboxes')} onKeyDown={walk}>
        {state.ended.value.map((id) => (
          <EndedRow key={id} id={id} />
        ))}
      </ul>
      {problem !== null && <ProblemBox problem={problem} />}
      {actions.moreHistory.value && state.ended.value.length >= 50 && (
        <div class="orkee-more">
          <Button look="plain" disabled={busy} onClick={() => void run(() => actions.loadHistory())}>
            {t('Show older ones')}
          </Button>
        </div>
      )}
    </>
  );
});

const EndedRow = tracked(function EndedRow({ id }: { id: string }) {
  const { state, host } = usePage();
  const { t } = host;
  const sandbox = state.row(id)?.value;
  if (sandbox === undefined) {
    return null;
  }
  const { reason } = sandbox;
  const ago = t('%1 ago', span(state.now.peek() - sandbox.last_active_at, t));
  return (
    <RowLine
      sandbox={sandbox}
      facts={
        <span class="orkee-times" title={sandbox.problem?.detail}>
          {reason === null ? ago : `${ago} · ${reason}`}
        </span>
      }
    />
  );
});
