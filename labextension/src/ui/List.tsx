/** The list: what there is, and how to get more of it. */

import { useEffect, useRef } from 'preact/hooks';

import { usePage } from './core';
import { History } from './History';
import { Button } from './parts/Button';
import { Icon } from './parts/Icon';
import { Row, walk } from './Row';
import type { SortKey, StatusFilter } from './state';
import { tracked } from './signals';

export const List = tracked(function List() {
  const page = usePage();
  const { state, host } = page;
  const { t } = host;
  const isEmpty = state.current.value.length === 0;
  const add = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (page.focus === 'new') {
      page.focus = null;
      add.current?.querySelector('button')?.focus();
    }
  }, []);
  return (
    <>
      <div class="orkee-bar" role="toolbar" aria-label={t('Sandboxes')}>
        <span ref={add}>
          <Button icon="add" look="main" onClick={() => page.openNew()}>
            {t('New Sandbox')}
          </Button>
        </span>
        <span class="orkee-bar-rest" />
        <Button
          icon="engine"
          label={t('Engine')}
          onClick={() => {
            page.view.value = { kind: 'engine' };
          }}
        />
      </div>
      {!isEmpty && <Filters />}
      {isEmpty ? <Empty /> : <Rows />}
      <History />
    </>
  );
});

const Rows = tracked(function Rows() {
  const { state, host } = usePage();
  const { t } = host;
  const ids = state.visible.value;
  if (ids.length === 0) {
    return (
      <div class="orkee-empty">
        <p>{t('No sandbox matches.')}</p>
        <Button
          onClick={() => {
            state.filter.value = '';
            state.statusFilter.value = 'all';
          }}
        >
          {t('Show all')}
        </Button>
      </div>
    );
  }
  return (
    <ul class="orkee-rows" role="list" aria-label={t('Sandboxes')} onKeyDown={walk}>
      {ids.map((id) => (
        <Row key={id} id={id} />
      ))}
    </ul>
  );
});

const Filters = tracked(function Filters() {
  const { state, host } = usePage();
  const { t } = host;
  const statuses: [StatusFilter, string][] = [
    ['all', t('All states')],
    ['active', t('Active')],
    ['creating', t('Creating')],
    ['paused', t('Paused')],
    ['failed', t('Failed')]
  ];
  const orders: [SortKey, string][] = [
    ['created', t('Newest')],
    ['name', t('Name')],
    ['left', t('Time left')],
    ['cpu', t('CPU')],
    ['memory', t('Memory')]
  ];
  return (
    <div class="orkee-filters" role="search">
      <label class="orkee-search">
        <Icon name="search" />
        <input
          type="search"
          aria-label={t('Filter by text')}
          placeholder={t('Filter')}
          spellcheck={false}
          value={state.filter.value}
          onInput={(event) => {
            state.filter.value = event.currentTarget.value;
          }}
        />
      </label>
      <Choice label={t('Filter by state')} options={statuses} of={state.statusFilter} />
      <Choice label={t('Sort by')} options={orders} of={state.sortKey} />
    </div>
  );
});

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly [T, string][];
  of: { value: T };
}

function Choice<T extends string>({ label, options, of }: ChoiceProps<T>) {
  return (
    <select
      aria-label={label}
      title={label}
      value={of.value}
      onChange={(event) => {
        const chosen = options[event.currentTarget.selectedIndex];
        of.value = chosen?.[0] ?? of.value;
      }}
    >
      {options.map(([value, word]) => (
        <option key={value} value={value}>
          {word}
        </option>
      ))}
    </select>
  );
}

const Empty = tracked(function Empty() {
  const page = usePage();
  const { t } = page.host;
  if (!page.state.loaded.value) {
    return <div class="orkee-empty" aria-busy="true" />;
  }
  return (
    <div class="orkee-empty">
      <Icon name="box" />
      <p class="orkee-empty-title">{t('No active sandboxes')}</p>
      <p>{t('A sandbox is a container of its own, for a server or for code that you try out.')}</p>
      <p>
        {t('Press New Sandbox, or run this in a cell:')} <code>%sandbox create node</code>
      </p>
    </div>
  );
});
