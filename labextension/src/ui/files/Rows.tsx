/** The rows of the tree that are in sight, and the keys that move in it. */

import type { JSX } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Translate } from '../host';
import { bytes } from '../parts/format';
import { visible } from './names';
import type { Row } from './tree';

/** Pixels; the stylesheet has the same. */
const HEIGHT = 24;
const AHEAD = 10;
/** Milliseconds in which letters make one word. */
const TYPING = 700;

interface RowsProps {
  rows: readonly Row[];
  current: number;
  t: Translate;
  /** The folder that a drop would go to; null: none is over it. */
  over: string | null;
  choose(index: number): void;
  /** What Enter and a double click do. */
  open(row: Row): void;
  toggle(row: Row, opens: boolean): void;
  rename(): void;
  remove(): void;
}

export function Rows(props: RowsProps): JSX.Element {
  const { rows, current, t, over } = props;
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ top: 0, height: 600 });
  const typed = useRef({ word: '', time: 0 });
  const look = (): void => {
    const { scrollTop, clientHeight } = box.current as HTMLElement;
    setSight({ top: scrollTop, height: clientHeight || 600 });
  };
  useEffect(look, [rows.length]);
  useLayoutEffect(() => {
    const element = box.current;
    const y = current * HEIGHT;
    if (element !== null && current >= 0 && element.clientHeight > 0) {
      const lowest = y + HEIGHT - element.clientHeight;
      element.scrollTop = Math.max(lowest, Math.min(element.scrollTop, y));
    }
  }, [current]);
  const from = Math.max(0, Math.floor(sight.top / HEIGHT) - AHEAD);
  const until = Math.ceil((sight.top + sight.height) / HEIGHT) + AHEAD;
  const shown = rows.map((row, index) => ({ row, index })).slice(from, until);
  const chosen = rows[current];
  // The chosen one is always there: it is what the focus is on.
  if (chosen !== undefined && (current < from || current >= until)) {
    shown.push({ row: chosen, index: current });
  }
  return (
    <div
      ref={box}
      class={`orkee-files-tree${over === '' ? ' orkee-files-over' : ''}`}
      role="tree"
      aria-label={t('Files')}
      tabIndex={0}
      aria-activedescendant={chosen === undefined ? undefined : `${id}-${current}`}
      onScroll={look}
      onKeyDown={(event) => keys(event, props, typed.current)}
    >
      <div class="orkee-files-space" role="presentation" style={{ height: `${rows.length * HEIGHT}px` }}>
        {shown.map(({ row, index }) => (
          <Item key={row.path} {...{ row, index, props }} id={`${id}-${index}`} />
        ))}
      </div>
    </div>
  );
}

interface ItemProps {
  row: Row;
  index: number;
  id: string;
  props: RowsProps;
}

function Item({ row, index, id, props }: ItemProps): JSX.Element {
  const { t, over, current, choose, open, toggle } = props;
  const { entry } = row;
  const classes = [
    'orkee-files-row',
    `orkee-files-${entry.type}`,
    index === current ? 'orkee-files-current' : '',
    over !== null && over === row.path ? 'orkee-files-over' : ''
  ];
  return (
    <div
      id={id}
      class={classes.join(' ')}
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.setSize}
      aria-selected={index === current}
      aria-expanded={row.expanded ?? undefined}
      data-index={index}
      style={{ top: `${index * HEIGHT}px`, paddingLeft: `${4 + (row.level - 1) * 14}px` }}
      onClick={(event) => {
        choose(index);
        // The second click of two does not undo what the first has done.
        if (entry.type === 'directory' && event.detail < 2) {
          toggle(row, row.expanded === false);
        }
      }}
      onDblClick={() => entry.type !== 'directory' && open(row)}
    >
      <span class="orkee-files-twist" aria-hidden="true">
        {row.expanded === null ? '' : row.expanded ? '▾' : '▸'}
      </span>
      <bdi class="orkee-files-name" title={visible(row.path)}>
        {visible(entry.path)}
      </bdi>
      {entry.target !== null && (
        <bdi class="orkee-files-target"> → {visible(entry.target)}</bdi>
      )}
      {row.problem !== null && <span class="orkee-files-bad"> {row.problem.detail}</span>}
      <span class="orkee-files-size">
        {entry.type === 'file' ? bytes(entry.size) : entry.type === 'other' ? t('special') : ''}
      </span>
    </div>
  );
}

function keys(
  event: KeyboardEvent,
  props: RowsProps,
  typed: { word: string; time: number }
): void {
  const { rows, current, choose } = props;
  if (event.altKey || event.ctrlKey || event.metaKey) {
    return;
  }
  const row = rows[current];
  const page = Math.max(1, Math.floor((event.currentTarget as HTMLElement).clientHeight / HEIGHT) - 1);
  const targets: Record<string, number> = {
    ArrowDown: current + 1,
    ArrowUp: current - 1,
    PageDown: current + page,
    PageUp: current - page,
    Home: 0,
    End: rows.length - 1
  };
  const target = targets[event.key];
  if (target !== undefined) {
    choose(Math.max(0, Math.min(rows.length - 1, target)));
  } else if (row === undefined || !(rowKeys(event.key, row, props) || typeAhead(event, props, typed))) {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** Does what a key means for a row; returns whether it means anything. */
function rowKeys(key: string, row: Row, props: RowsProps): boolean {
  const { rows, current, choose, toggle } = props;
  switch (key) {
    case 'ArrowRight':
      if (row.expanded === false) {
        toggle(row, true);
      } else if (row.expanded === true && (rows[current + 1]?.level ?? 0) > row.level) {
        choose(current + 1);
      }
      return true;
    case 'ArrowLeft':
      if (row.expanded === true) {
        toggle(row, false);
      } else if (row.level > 1) {
        choose(current - row.position - countBefore(rows, current, row.level));
      }
      return true;
    case 'Enter':
      props.open(row);
      return true;
    case 'F2':
      props.rename();
      return true;
    case 'Delete':
      props.remove();
      return true;
    default:
      return false;
  }
}

/** Counts what is open in the folders between a row and the one it is in. */
function countBefore(rows: readonly Row[], index: number, level: number): number {
  let count = 0;
  for (let at = index - 1; at >= 0 && (rows[at]?.level ?? 0) >= level; at--) {
    count += (rows[at]?.level ?? 0) > level ? 1 : 0;
  }
  return count;
}

function typeAhead(
  event: KeyboardEvent,
  { rows, current, choose }: RowsProps,
  typed: { word: string; time: number }
): boolean {
  if (event.key.length !== 1 || (event.key === ' ' && typed.word === '')) {
    return false;
  }
  const isMore = event.timeStamp - typed.time < TYPING;
  typed.word = (isMore ? typed.word : '') + event.key.toLowerCase();
  typed.time = event.timeStamp;
  const begin = current + (typed.word.length > 1 ? 0 : 1);
  for (let step = 0; step < rows.length; step++) {
    const index = (begin + step) % rows.length;
    if (rows[index]?.entry.path.toLowerCase().startsWith(typed.word) === true) {
      choose(index);
      break;
    }
  }
  return true;
}
