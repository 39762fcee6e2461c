/** One sandbox of the list: it is painted again when this sandbox changes, and only then. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import type { Sandbox } from './api';
import { usePage, type Page } from './core';
import type { Translate } from './host';
import { itemsOf } from './menus';
import { Button } from './parts/Button';
import { span } from './parts/format';
import { Icon, templateIcon } from './parts/Icon';
import { below, step } from './parts/keys';
import { Menu } from './parts/Menu';
import { ProblemBox } from './parts/ProblemBox';
import { StatusMark } from './parts/StatusMark';
import { Ports } from './Ports';
import { called } from './state';
import { StopButton } from './StopButton';
import { Usage } from './Usage';
import { tracked } from './signals';

export const Row = tracked(function Row({ id }: { id: string }) {
  const page = usePage();
  const sandbox = page.state.row(id)?.value;
  return sandbox === undefined ? null : <Filled page={page} sandbox={sandbox} />;
});

function Filled({ page, sandbox }: { page: Page; sandbox: Sandbox }) {
  const { t } = page.host;
  const isActive = sandbox.status === 'active';
  return (
    <RowLine
      sandbox={sandbox}
      facts={
        <>
          <Times sandbox={sandbox} />
          {isActive && <Ports sandbox={sandbox} />}
        </>
      }
      usage={isActive && <Usage sandbox={sandbox} />}
      button={
        sandbox.status === 'failed' ? (
          <Button
            icon="close"
            label={t('Dismiss %1', called(sandbox))}
            onClick={() => page.state.dismiss(sandbox.id)}
          />
        ) : (
          <StopButton sandbox={sandbox} />
        )
      }
    >
      <Trouble sandbox={sandbox} />
    </RowLine>
  );
}

interface RowLineProps {
  sandbox: Sandbox;
  facts: ComponentChildren;
  usage?: ComponentChildren;
  button?: ComponentChildren;
  children?: ComponentChildren;
}

/** What the rows of all lists have: template, name, state, facts, and a menu at the end. */
export function RowLine({ sandbox, facts, usage, button, children }: RowLineProps) {
  const page = usePage();
  const { t } = page.host;
  const name = called(sandbox);
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (page.focus === sandbox.id) {
      page.focus = null;
      first.current?.focus();
    }
  }, []);
  return (
    <li class={`orkee-row orkee-row-${sandbox.status}`}>
      <div class="orkee-row-line">
        <Icon name={templateIcon(sandbox.template, sandbox.image)} />
        <button
          ref={first}
          type="button"
          class="orkee-name"
          title={t('%1 (template %2, id %3): show its details', name, sandbox.template, sandbox.short_id)}
          onClick={() => page.show(sandbox.id)}
        >
          {name}
        </button>
        <StatusMark sandbox={sandbox} t={t} />
        <span class="orkee-facts">{facts}</span>
        {usage}
        <span class="orkee-row-buttons">
          {button}
          <Menu label={t('More actions for %1', name)} items={() => itemsOf(page, sandbox)} />
        </span>
      </div>
      {children}
    </li>
  );
}

/** Up and down, Home and End go from name to name. */
export function walk(event: KeyboardEvent): void {
  step(event, below(event, '.orkee-name'));
}

/** What it does, or its age and the time that it has left. */
const Times = tracked(function Times({ sandbox }: { sandbox: Sandbox }) {
  const { state, host } = usePage();
  const { t } = host;
  const full = t(
    'Created %1, ends %2 unless it is used',
    new Date(sandbox.created_at * 1000).toLocaleString(),
    new Date(sandbox.expires_at * 1000).toLocaleString()
  );
  return (
    <span class="orkee-times" title={sandbox.status === 'active' ? full : undefined}>
      {timesOf(sandbox, state.now.value, t)}
    </span>
  );
});

function timesOf(sandbox: Sandbox, now: number, t: Translate): string {
  const age = span(now - sandbox.created_at, t);
  switch (sandbox.status) {
    case 'creating':
      return t('%1 · %2', sandbox.step ?? t('Creating…'), age);
    case 'active':
      return sandbox.stop_at !== null
        ? t('stops in %1', span(sandbox.stop_at - now, t))
        : sandbox.step
          ? t('%1 · %2', sandbox.step, age)
          : t('%1 · %2 left', age, span(sandbox.expires_at - now, t));
    case 'paused':
      return t('%1 · files are kept', age);
    default:
      return age;
  }
}

/** Why it failed, and what was asked of it last and could not be done. */
export const Trouble = tracked(function Trouble({ sandbox }: { sandbox: Sandbox }) {
  const page = usePage();
  const { actions, host } = page;
  const { t } = host;
  const note = actions.note(sandbox.id).value;
  const failure = failureOf(sandbox, t);
  return (
    <>
      {failure !== null && (
        <ProblemBox problem={failure}>
          <Button icon="refresh" disabled={note.busy === 'retry'} onClick={() => tryAgain(page, sandbox)}>
            {t('Try again')}
          </Button>
        </ProblemBox>
      )}
      {note.problem !== null && (
        <ProblemBox problem={note.problem}>
          <Button onClick={() => actions.clearProblem(sandbox.id)}>{t('Dismiss')}</Button>
        </ProblemBox>
      )}
    </>
  );
});

function failureOf(sandbox: Sandbox, t: Translate) {
  if (sandbox.status !== 'failed') {
    return null;
  }
  const reason = sandbox.reason ?? t('It failed, and nothing is known of why.');
  return sandbox.problem ?? { code: 'internal', detail: reason, remedy: '' };
}

/** Sends the request again that this page made; else shows the form with what is known of it. */
async function tryAgain(page: Page, sandbox: Sandbox): Promise<void> {
  if (page.actions.requestOf(sandbox.id) !== undefined) {
    const created = await page.actions.retry(sandbox);
    if (created !== null && page.view.value.kind === 'sandbox') {
      page.show(created.id);
    }
    return;
  }
  page.openNew(
    {
      template: sandbox.template,
      ...(sandbox.name === null ? {} : { name: sandbox.name }),
      ...(sandbox.ports.length === 0 ? {} : { ports: sandbox.ports }),
      ...(sandbox.command === null ? {} : { command: sandbox.command }),
      image: sandbox.image
    },
    true
  );
}
