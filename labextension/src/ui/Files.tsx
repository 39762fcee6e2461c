/** The files of a sandbox, where it has a container to read them in. */

import type { Sandbox } from './api';
import { usePage } from './core';
import { FilesView } from './files/FilesView';

export function Files({ sandbox }: { sandbox: Sandbox }) {
  const { transport, host } = usePage();
  const { t } = host;
  switch (sandbox.status) {
    case 'active':
      return <FilesView transport={transport} sandbox={sandbox} host={host} />;
    case 'creating':
      return <p class="orkee-hint">{t('The files can be seen once it is active.')}</p>;
    case 'paused':
      return <p class="orkee-hint">{t('The files are kept. Resume it to see them.')}</p>;
    default:
      return <p class="orkee-hint">{t('The files ended with the sandbox.')}</p>;
  }
}
