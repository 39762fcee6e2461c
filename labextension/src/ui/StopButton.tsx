import type { Sandbox } from './api';
import { usePage } from './core';
import { Button } from './parts/Button';
import { called, hasEnded } from './state';
import { tracked } from './signals';

/** Stops, and for some seconds takes that back: one button, so that the focus stays on it. */
export const StopButton = tracked(function StopButton({ sandbox, wide }: { sandbox: Sandbox; wide?: boolean }) {
  const { actions, host } = usePage();
  const { t } = host;
  const busy = actions.note(sandbox.id).value.busy;
  if (hasEnded(sandbox.status)) {
    return null;
  }
  const name = called(sandbox);
  if (sandbox.stop_at !== null) {
    return (
      <Button
        key="stop"
        icon="undo"
        look="normal"
        class="orkee-undo"
        label={t('Undo the stop of %1', name)}
        disabled={busy === 'keep'}
        onClick={() => void actions.keep(sandbox)}
      >
        {t('Undo')}
      </Button>
    );
  }
  const isNew = sandbox.status === 'creating';
  const label = isNew ? t('Cancel %1', name) : t('Stop %1', name);
  return (
    <Button
      key="stop"
      icon="stop"
      look={wide ? 'normal' : 'icon'}
      label={label}
      disabled={busy === 'stop'}
      onClick={() => void actions.stop(sandbox)}
    >
      {wide ? (isNew ? t('Cancel') : t('Stop')) : undefined}
    </Button>
  );
});
