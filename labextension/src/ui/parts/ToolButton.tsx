/** A small button with a drawing instead of a word; the word is its name and its hint. */

import type { JSX } from 'preact';

/** Drawings in a square of 16, with lines, as those of `Icon`. */
const DRAWINGS = {
  up: 'M3.5 10L8 5.5 12.5 10',
  down: 'M3.5 6L8 10.5 12.5 6',
  clock: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M8 5v3l2 1.5',
  wrap: 'M2.5 4h11M2.5 8h8.500a2.200 2.200 0 0 1 0 4.500H8M9.500 10.500l-2 2 2 2M2.5 12.500h2',
  download: 'M8 2.5v7.500M4.500 6.800L8 10.300l3.500-3.500M3 13.300h10',
  upload: 'M8 10.300V2.800M4.500 6.200L8 2.700l3.500 3.500M3 13.300h10',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3',
  newFolder: 'M8 12.500H2v-9h4.500L8 5.500h6v3M12 9.500v5M9.500 12h5',
  rename: 'M3 13l.800-3.200L11 2.600l2.400 2.400-7.200 7.200zM9.500 4.100l2.400 2.400',
  remove: 'M3 4.500h10M6.500 4.500v-2h3v2M4.300 4.500l.700 9h6l.700-9M7 7v4M9 7v4'
} as const;

export type Drawing = keyof typeof DRAWINGS;

interface Props {
  drawing: Drawing;
  label: string;
  onClick: () => void;
  /** Of a button that stays down. */
  pressed?: boolean;
  disabled?: boolean;
}

/** One that is `disabled` keeps the focus. */
export function ToolButton({ drawing, label, onClick, pressed, disabled }: Props): JSX.Element {
  return (
    <button
      type="button"
      class="orkee-button orkee-button-icon orkee-tool"
      title={label}
      aria-label={label}
      aria-pressed={pressed}
      aria-disabled={disabled === true ? 'true' : undefined}
      onClick={disabled === true ? undefined : onClick}
    >
      <svg
        class="orkee-icon"
        width="16"
        height="16"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        stroke-width="1.3"
        aria-hidden="true"
        focusable="false"
      >
        <path d={DRAWINGS[drawing]} />
      </svg>
    </button>
  );
}
