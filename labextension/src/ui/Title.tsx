import type { ComponentChildren } from 'preact';

import { usePage } from './core';
import { Button } from './parts/Button';

/** The head of a view, with the way back. */
export function Title({ back, children }: { back(): void; children: ComponentChildren }) {
  const { t } = usePage().host;
  return (
    <div class="orkee-title">
      <Button icon="back" label={t('Back to the list')} onClick={back} />
      <h2>{children}</h2>
    </div>
  );
}
