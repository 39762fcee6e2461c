/** What the commands do with one sandbox. The panel need not be in sight: problems are notified. */

import { InputDialog, Notification } from '@jupyterlab/apputils';

import type { Sandbox } from '../ui/api';
import { UNDO } from '../ui/actions';
import { called } from '../ui/state';
import type { IOrkee } from './tokens';

const LIFETIMES = ['30m', '1h', '2h', '8h', '1d'];

export async function stopped({ core }: IOrkee, sandbox: Sandbox): Promise<void> {
  const { actions, host } = core;
  await actions.stop(sandbox);
  if (!told(core, sandbox) && sandbox.status !== 'creating') {
    Notification.info(host.t('%1 will be stopped.', called(sandbox)), {
      autoClose: UNDO * 1000,
      actions: [
        {
          label: host.t('Undo'),
          callback: () => void actions.keep(sandbox).then(() => told(core, sandbox))
        }
      ]
    });
  }
}

export async function paused({ core }: IOrkee, sandbox: Sandbox): Promise<void> {
  await core.actions.pause(sandbox);
  told(core, sandbox);
}

export async function resumed({ core }: IOrkee, sandbox: Sandbox): Promise<void> {
  await core.actions.resume(sandbox);
  told(core, sandbox);
}

export async function terminal({ core }: IOrkee, sandbox: Sandbox): Promise<void> {
  await core.actions.openTerminal(sandbox);
  told(core, sandbox);
}

export async function extended(
  { core }: IOrkee,
  sandbox: Sandbox,
  given: string | null
): Promise<void> {
  const { actions, host } = core;
  const ttl = given ?? (await asked(core, sandbox));
  if (ttl !== null && ttl.trim() !== '') {
    await actions.extend(sandbox, ttl.trim());
    if (!told(core, sandbox)) {
      Notification.success(host.t('%1 lives for at least %2 from now.', called(sandbox), ttl), {
        autoClose: 3000
      });
    }
  }
}

/** Opens the page of the first port on which something listens, else of the first. */
export async function opened({ core }: IOrkee, sandbox: Sandbox): Promise<void> {
  const mapping = sandbox.port_map.find(({ listening }) => listening) ?? sandbox.port_map[0];
  if (mapping !== undefined) {
    await core.actions.openPort(sandbox, mapping);
    told(core, sandbox);
  }
}

async function asked({ host }: IOrkee['core'], sandbox: Sandbox): Promise<string | null> {
  const { button, value } = await InputDialog.getItem({
    title: host.t('Extend the time of %1', called(sandbox)),
    label: host.t('It lives from now for at least'),
    items: LIFETIMES,
    current: 1,
    editable: true
  });
  return button.accept ? value : null;
}

/** Says what went wrong last with a sandbox, if anything did. */
function told({ actions, host }: IOrkee['core'], sandbox: Sandbox): boolean {
  const { problem } = actions.note(sandbox.id).peek();
  if (problem === null) {
    return false;
  }
  const sentence = `${called(sandbox)}: ${problem.detail} ${problem.remedy}`.trim();
  Notification.error(sentence, { autoClose: false, actions: [{ label: host.t('Dismiss'), callback: () => undefined }] });
  return true;
}
