/** One sandbox in full. */

import { useEffect, useId, useRef } from 'preact/hooks';

import type { Sandbox } from './api';
import { TABS, usePage, type Page, type Tab } from './core';
import { directUrl } from './links';
import { LogView } from './logs/LogView';
import { detailItems, terminalItem } from './menus';
import { Events } from './Events';
import { Files } from './Files';
import { Overview } from './Overview';
import { Button } from './parts/Button';
import { Icon, templateIcon } from './parts/Icon';
import { below, LEFT_RIGHT, step } from './parts/keys';
import { Menu } from './parts/Menu';
import { StatusMark } from './parts/StatusMark';
import { openPage } from './Ports';
import { Trouble } from './Row';
import { called } from './state';
import { StopButton } from './StopButton';
import { Title } from './Title';
import { tracked } from './signals';

export const Detail = tracked(function Detail({ id, tab }: { id: string; tab: Tab }) {
  const page = usePage();
  const { t } = page.host;
  const sandbox = page.state.get(id);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    root.current?.querySelector<HTMLElement>('[role=tab][aria-selected=true]')?.focus();
  }, []);
  if (sandbox === undefined) {
    return (
      <div class="orkee-detail">
        <Title back={() => page.home()}>{t('Sandbox')}</Title>
        {page.state.loaded.value && <p class="orkee-hint">{t('There is no such sandbox any more.')}</p>}
      </div>
    );
  }
  return (
    <div
      class="orkee-detail"
      ref={root}
      onKeyDown={(event) => {
        const isField = (event.target as HTMLElement).matches('input, textarea, select');
        if (event.key === 'Escape' && !event.defaultPrevented && !isField) {
          page.home(id);
        }
      }}
    >
      <Title back={() => page.home(id)}>
        <Icon name={templateIcon(sandbox.template, sandbox.image)} />
        <span class="orkee-title-name">{called(sandbox)}</span>
        <StatusMark sandbox={sandbox} t={t} />
      </Title>
      <Bar sandbox={sandbox} />
      <Trouble sandbox={sandbox} />
      <Tabs sandbox={sandbox} tab={tab} />
    </div>
  );
});

const Bar = tracked(function Bar({ sandbox }: { sandbox: Sandbox }) {
  const page = usePage();
  const { actions, host } = page;
  const { t } = host;
  const busy = actions.note(sandbox.id).value.busy;
  const isActive = sandbox.status === 'active';
  const first = pageOf(sandbox, page);
  const terminal = terminalItem(page, sandbox);
  return (
    <div class="orkee-bar" role="toolbar" aria-label={t('Actions')}>
      <StopButton sandbox={sandbox} wide />
      {isActive && (
        <Button icon="pause" disabled={busy === 'pause'} onClick={() => void actions.pause(sandbox)}>
          {t('Pause')}
        </Button>
      )}
      {sandbox.status === 'paused' && (
        <Button icon="play" disabled={busy === 'resume'} onClick={() => void actions.resume(sandbox)}>
          {t('Resume')}
        </Button>
      )}
      {isActive && first !== undefined && (
        <Button icon="open" onClick={() => openPage(page, sandbox, first)}>
          {t('Open page')}
        </Button>
      )}
      {isActive && (
        <Button icon="terminal" title={terminal.label} onClick={terminal.action}>
          {host.openTerminal ? t('Terminal') : t('Shell')}
        </Button>
      )}
      <Menu
        label={t('More actions for %1', called(sandbox))}
        items={() => detailItems(page, sandbox)}
      />
    </div>
  );
});

/** The port whose page is meant: the first that a program listens on, else the first. */
function pageOf(sandbox: Sandbox, page: Page) {
  const open = sandbox.port_map.filter(
    (each) => directUrl(each, page.host) !== null || page.host.serverUrl !== undefined
  );
  return open.find((each) => each.listening) ?? open[0];
}

function Tabs({ sandbox, tab }: { sandbox: Sandbox; tab: Tab }) {
  const page = usePage();
  const { t } = page.host;
  const id = useId();
  const words: Record<Tab, string> = {
    overview: t('Overview'),
    logs: t('Logs'),
    files: t('Files'),
    events: t('Events')
  };
  const move = (event: KeyboardEvent) => {
    const next = TABS[step(event, below(event, '[role=tab]'), LEFT_RIGHT) ?? -1];
    if (next !== undefined) {
      page.show(sandbox.id, next);
    }
  };
  return (
    <>
      <div class="orkee-tabs" role="tablist" aria-label={t('Views')} onKeyDown={move}>
        {TABS.map((each) => (
          <button
            key={each}
            id={`${id}-${each}`}
            type="button"
            role="tab"
            aria-selected={each === tab}
            aria-controls={`${id}-panel`}
            tabIndex={each === tab ? 0 : -1}
            onClick={() => page.show(sandbox.id, each)}
          >
            {words[each]}
          </button>
        ))}
      </div>
      <div
        class={`orkee-tab orkee-tab-${tab}`}
        id={`${id}-panel`}
        role="tabpanel"
        aria-labelledby={`${id}-${tab}`}
      >
        <Shown sandbox={sandbox} tab={tab} />
      </div>
    </>
  );
}

function Shown({ sandbox, tab }: { sandbox: Sandbox; tab: Tab }) {
  const { live, host, transport } = usePage();
  switch (tab) {
    case 'overview':
      return <Overview sandbox={sandbox} />;
    case 'logs':
      return <LogView openLog={live.openLog} sandbox={sandbox} host={host} transport={transport} />;
    case 'files':
      return <Files sandbox={sandbox} />;
    case 'events':
      return <Events sandbox={sandbox} />;
  }
}
