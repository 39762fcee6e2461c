import type { Sandbox } from '../api';
import type { Translate } from '../host';

/** The word for a sandbox's state. */
export function statusWord(sandbox: Sandbox, t: Translate): string {
  switch (sandbox.status) {
    case 'creating':
      return t('creating…');
    case 'active':
      return sandbox.stop_at === null ? t('active') : t('stopping…');
    case 'paused':
      return t('paused');
    case 'terminated':
      return t('ended');
    case 'failed':
      return t('failed');
  }
}

/** The state as a dot in its colour, and as a word. */
export function StatusMark({ sandbox, t }: { sandbox: Sandbox; t: Translate }) {
  const kind = sandbox.status === 'active' && sandbox.stop_at !== null ? 'stopping' : sandbox.status;
  return (
    <span class={`orkee-status orkee-status-${kind}`}>
      <span class="orkee-dot" aria-hidden="true" />
      {statusWord(sandbox, t)}
    </span>
  );
}
