/** The log of a sandbox: follows, searches, filters, saves. */

import type { JSX } from 'preact';
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { LogEntry, Problem, Sandbox } from '../api';
import type { Host } from '../host';
import { ToolButton } from '../parts/ToolButton';
import type { Transport } from '../transport';
import { preferences } from '../preferences';
import { Announcer } from './announce';
import { saveLog } from './download';
import { LogBox } from './LogBox';
import type { Filter } from './rows';
import { endSentence, newLines } from './sentences';
import { MOST_LINES } from './store';

export interface LogSink {
  entries(list: LogEntry[]): void;
  end(reason: string): void;
  problem(problem: Problem): void;
}

export type OpenLog = (
  ref: string,
  request: { tail: number | null; after: number | null; follow: boolean },
  sink: LogSink
) => () => void;

export interface LogViewProps {
  openLog: OpenLog;
  sandbox: Sandbox;
  host: Host;
  transport: Transport;
}

interface Outcome {
  reason?: string;
  problem?: Problem;
}

export function LogView(props: LogViewProps): JSX.Element {
  // Another sandbox is another log: nothing of the one before stays.
  return <Log key={props.sandbox.id} {...props} />;
}

function Log({ openLog, sandbox, host, transport }: LogViewProps): JSX.Element {
  const { t } = host;
  const element = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const box = useRef<LogBox | null>(null);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [outcome, setOutcome] = useState<Outcome>({});
  const [spoken, setSpoken] = useState('');
  const isBegun = sandbox.status !== 'creating';
  const isRunning = sandbox.status === 'active';

  useEffect(() => {
    const made = new LogBox(element.current as HTMLElement, t, () => redraw(undefined));
    made.setTimes(preferences.value.timestamps);
    box.current = made;
    return () => made.dispose();
  }, []);

  // After a pause the log goes on, so it is opened again where it had ended.
  useEffect(() => {
    const log = box.current;
    if (!isBegun || log === null) {
      return undefined;
    }
    setOutcome({});
    const announcer = new Announcer(t, setSpoken);
    const after = log.store.lastSeq;
    const close = openLog(
      sandbox.id,
      { tail: after === null ? MOST_LINES : null, after, follow: true },
      {
        entries: (list) => {
          const before = log.store.end;
          log.take(list);
          announcer.came(log.store, log.store.end - before);
        },
        end: (reason) => setOutcome({ reason }),
        problem: (problem) => setOutcome({ problem })
      }
    );
    return () => {
      announcer.dispose();
      close();
    };
  }, [openLog, isBegun, isRunning]);

  const log = box.current;
  const keys = (event: KeyboardEvent): void => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'f') {
      event.preventDefault();
      event.stopPropagation();
      field.current?.focus();
      field.current?.select();
    } else if (event.key === 'End' && event.target === element.current) {
      event.preventDefault();
      log?.toEnd();
    }
  };
  return (
    <div class="orkee-log" onKeyDown={keys}>
      <Tools {...{ log, host, field, sandbox, transport }} />
      {log !== null && log.store.first > 0 && (
        <p class="orkee-log-note">
          {t('%1 older lines are not shown; download the log to read them.', log.store.first)}
        </p>
      )}
      <div class="orkee-log-frame">
        {/* Each line that is read aloud would be too many; a few are said below. */}
        <div
          ref={element}
          class={`orkee-log-box${log?.times === true ? ' orkee-log-timed' : ''}`}
          role="log"
          aria-live="off"
          aria-label={t('Log of %1', sandbox.name ?? sandbox.short_id)}
          tabIndex={0}
        />
        {log !== null && !log.following && (
          <button type="button" class="orkee-log-down" onClick={() => log.toEnd()}>
            {log.unseen > 0 ? newLines(log.unseen, t) : t('To the end')} ↓
          </button>
        )}
      </div>
      <Ending {...{ outcome, sandbox, host, isEmpty: log === null || log.store.end === 0 }} />
      <div class="orkee-log-spoken" role="status">
        {spoken}
      </div>
    </div>
  );
}

interface EndingProps {
  outcome: Outcome;
  sandbox: Sandbox;
  host: Host;
  isEmpty: boolean;
}

function Ending({ outcome, sandbox, host, isEmpty }: EndingProps): JSX.Element | null {
  const { t } = host;
  if (outcome.problem !== undefined) {
    return (
      <p class="orkee-log-problem" role="alert">
        {outcome.problem.detail} {outcome.problem.remedy}
      </p>
    );
  }
  if (sandbox.status === 'creating') {
    return <p class="orkee-log-note">{t('The log begins when the sandbox is active.')}</p>;
  }
  if (outcome.reason !== undefined) {
    return (
      <p class="orkee-log-note" role="status">
        {endSentence(outcome.reason, sandbox, t)}
      </p>
    );
  }
  if (!isEmpty) {
    return null;
  }
  return (
    <p class="orkee-log-note">
      {sandbox.command === null
        ? t('Nothing is written here: the sandbox has no command of its own. What you run in it answers where you run it.')
        : t('Nothing was written yet.')}
    </p>
  );
}

interface ToolsProps {
  log: LogBox | null;
  host: Host;
  field: { current: HTMLInputElement | null };
  sandbox: Sandbox;
  transport: Transport;
}

function Tools({ log, host, field, sandbox, transport }: ToolsProps): JSX.Element {
  const { t } = host;
  const [query, setQuery] = useState('');
  const [filter, setFilter] = useState<Filter>('both');
  const [times, setTimes] = useState(preferences.value.timestamps);
  const [wraps, setWraps] = useState(false);
  const [saving, setSaving] = useState<'no' | 'yes' | 'held'>('no');
  const matches = log?.matches ?? null;
  const isNone = matches === null || matches.count === 0;
  const look = (text: string): void => {
    setQuery(text);
    log?.find(text);
  };
  const fieldKeys = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') {
      event.preventDefault();
      log?.move(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape' && query !== '') {
      event.stopPropagation();
      look('');
    }
  };
  const save = async (): Promise<void> => {
    if (log !== null) {
      setSaving('yes');
      setSaving((await saveLog(transport, host, sandbox, log.store)) ? 'no' : 'held');
    }
  };
  return (
    <div class="orkee-log-tools">
      <input
        ref={field}
        type="search"
        class="orkee-log-search"
        placeholder={t('Search')}
        aria-label={t('Search in the log')}
        value={query}
        onInput={(event) => look(event.currentTarget.value)}
        onKeyDown={fieldKeys}
      />
      {matches !== null && (
        <span class="orkee-log-count" role="status">
          {isNone
            ? t('None')
            : t('%1 of %2', matches.current + 1, matches.isFull ? `${matches.count}+` : matches.count)}
        </span>
      )}
      <ToolButton drawing="up" label={t('Previous match')} disabled={isNone} onClick={() => log?.move(-1)} />
      <ToolButton drawing="down" label={t('Next match')} disabled={isNone} onClick={() => log?.move(1)} />
      <select
        class="orkee-log-filter"
        aria-label={t('Streams')}
        value={filter}
        onChange={(event) => {
          const value = event.currentTarget.value as Filter;
          setFilter(value);
          log?.setFilter(value);
        }}
      >
        <option value="both">{t('all')}</option>
        <option value="stdout">stdout</option>
        <option value="stderr">stderr</option>
      </select>
      <ToolButton
        drawing="clock"
        label={t('Times')}
        pressed={times}
        onClick={() => {
          setTimes(!times);
          log?.setTimes(!times);
        }}
      />
      <ToolButton
        drawing="wrap"
        label={t('Wrap long lines')}
        pressed={wraps}
        onClick={() => {
          setWraps(!wraps);
          log?.setWrap(!wraps);
        }}
      />
      <ToolButton
        drawing="download"
        label={t('Download the log')}
        disabled={saving === 'yes'}
        onClick={() => void save()}
      />
      {saving === 'held' && (
        <span class="orkee-log-note" role="status">
          {t('The server gave no whole log: the lines shown here were saved.')}
        </span>
      )}
    </div>
  );
}
