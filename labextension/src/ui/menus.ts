/** The actions of a sandbox's menu. */

import type { Sandbox } from './api';
import { magic, python, shell } from './code';
import type { Page } from './core';
import { directUrl } from './links';
import type { MenuItem } from './parts/Menu';
import { openPage } from './Ports';
import { hasEnded } from './state';

const HOUR = 3600;

export function itemsOf(page: Page, sandbox: Sandbox): MenuItem[] {
  const { t } = page.host;
  const show: MenuItem[] = [
    { label: t('Show details'), action: () => page.show(sandbox.id) },
    { label: t('Show log'), action: () => page.show(sandbox.id, 'logs') }
  ];
  return [
    ...show,
    ...(hasEnded(sandbox.status) ? [] : liveItems(page, sandbox)),
    { label: t('Copy id'), icon: 'copy', action: () => void page.actions.copy(sandbox.id) }
  ];
}

/** What is in the detail view's menu, where the views are tabs and the rest has buttons. */
export function detailItems(page: Page, sandbox: Sandbox): MenuItem[] {
  const { t } = page.host;
  return [
    ...(hasEnded(sandbox.status) ? [] : codeItems(page, sandbox)),
    { label: t('Copy id'), icon: 'copy', action: () => void page.actions.copy(sandbox.id) }
  ];
}

function liveItems(page: Page, sandbox: Sandbox): MenuItem[] {
  const { actions, host } = page;
  const { t } = host;
  const isActive = sandbox.status === 'active';
  const items: MenuItem[] = [];
  if (isActive) {
    items.push({ label: t('Show files'), action: () => page.show(sandbox.id, 'files') });
    for (const mapping of sandbox.port_map) {
      if (directUrl(mapping, host) !== null || host.serverUrl !== undefined) {
        const label = t('Open port %1', mapping.port);
        items.push({ label, icon: 'open', action: () => openPage(page, sandbox, mapping) });
      }
    }
    items.push(
      terminalItem(page, sandbox),
      { label: t('Pause'), icon: 'pause', action: () => void actions.pause(sandbox) },
      { label: t('Extend by 1 h'), icon: 'clock', action: () => void actions.addTime(sandbox, HOUR) }
    );
  } else if (sandbox.status === 'paused') {
    items.push({ label: t('Resume'), icon: 'play', action: () => void actions.resume(sandbox) });
  }
  return isActive ? [...items, ...codeItems(page, sandbox)] : items;
}

export function terminalItem(page: Page, sandbox: Sandbox): MenuItem {
  const { actions, host } = page;
  const label = host.openTerminal ? host.t('Open a terminal') : host.t('Copy %sandbox shell');
  const action = () =>
    void (host.openTerminal ? actions.openTerminal(sandbox) : actions.copy(shell(sandbox)));
  return { label, icon: 'terminal', action };
}

function codeItems(page: Page, sandbox: Sandbox): MenuItem[] {
  const { actions, host } = page;
  const { t } = host;
  const items: MenuItem[] = [
    { label: t('Copy %sandbox code'), icon: 'copy', action: () => void actions.copy(magic(sandbox)) }
  ];
  if (host.insertCell) {
    const action = () => actions.insertCell(python(sandbox));
    items.push({ label: t('Insert a cell'), icon: 'cell', action });
  }
  return items;
}
