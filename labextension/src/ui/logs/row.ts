/** One row of a log as elements of the page: text and classes, never markup. */

import type { Translate } from '../host';
import { parse } from './ansi';
import type { Span } from './ansi';
import { paint } from './paint';
import type { Highlight } from './paint';
import type { LogLine } from './store';

/** Characters of a line that are drawn until all are asked for. */
export const SHOWN = 4000;

export interface RowOptions {
  t: Translate;
  times: boolean;
  /** Whether all of a long line is drawn. */
  isWhole: boolean;
  highlights(text: string): Highlight[];
  showAll(): void;
}

/** Makes the element of a line. */
export function rowElement(line: LogLine, options: RowOptions): HTMLElement {
  const row = document.createElement('div');
  row.className = `orkee-log-row orkee-log-${line.kind}`;
  if (options.times) {
    row.append(time(line.time));
  }
  const content = document.createElement('span');
  content.className = 'orkee-log-text';
  if (line.kind === 'dropped') {
    content.textContent = options.t('%1 bytes are missing here', line.text);
    row.append(content);
    return row;
  }
  const { spans } = parse(line.text, line.style);
  const text = spans.map((span) => span.text).join('');
  const isCut = text.length > SHOWN && !options.isWhole;
  paint(content, isCut ? cut(spans, SHOWN) : spans, options.highlights(text));
  row.append(content);
  if (isCut) {
    row.append(more(text.length, options));
  }
  return row;
}

function time(seconds: number): HTMLElement {
  const element = document.createElement('span');
  element.className = 'orkee-log-time';
  if (Number.isFinite(seconds)) {
    const date = new Date(seconds * 1000);
    const two = (value: number): string => String(value).padStart(2, '0');
    const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
    element.textContent = `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
    element.title = Number.isNaN(date.getTime()) ? '' : date.toISOString();
  }
  return element;
}

function more(length: number, { t, showAll }: RowOptions): HTMLElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'orkee-log-more';
  button.textContent = t('Show all %1 characters', length);
  button.addEventListener('click', showAll);
  return button;
}

function cut(spans: Span[], length: number): Span[] {
  const kept: Span[] = [];
  let left = length;
  for (const span of spans) {
    if (left <= 0) {
      break;
    }
    kept.push({ ...span, text: span.text.slice(0, left) });
    left -= span.text.length;
  }
  return kept;
}
