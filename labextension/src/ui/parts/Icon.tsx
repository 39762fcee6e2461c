/** The UI's own icons: 16 by 16, drawn with lines in the colour of the text. */

const PATHS = {
  add: 'M8 3v10M3 8h10',
  back: 'M10 3L5 8l5 5',
  more: 'M3.2 8h.2M7.9 8h.2M12.6 8h.2',
  stop: 'M3.5 3.5h9v9h-9z',
  undo: 'M3 6h6.5a3.5 3.5 0 0 1 0 7H6M3 6l3-3M3 6l3 3',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3l8 5-8 5z',
  open: 'M7 3H3v10h10V9M9 3h4v4M13 3L7.5 8.5',
  close: 'M4 4l8 8M12 4l-8 8',
  down: 'M3.5 6L8 10.5 12.5 6',
  right: 'M6 3.5L10.5 8 6 12.5',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.5 10.5L14 14',
  terminal: 'M2 3h12v10H2zM4.5 6l2 2-2 2M8.5 10h3',
  engine: 'M2.5 2.5h11v4.5h-11zM2.5 9h11v4.5h-11zM4.8 4.8h.1M4.8 11.3h.1',
  clock: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M8 5v3l2 1.5',
  copy: 'M6 6h7v7H6zM10 6V3H3v7h3',
  cell: 'M2.5 4h11v8h-11zM5 7.5h6',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3',
  warn: 'M8 2.5l6 11H2zM8 6.5v3M8 11.5h.01',
  // of templates
  box: 'M8 2l5.5 3v6L8 14l-5.5-3V5zM2.5 5L8 8l5.5-3M8 8v6',
  node: 'M8 1.8l5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9zM6 10.3V6l4 4.3V6',
  python:
    'M8 2H6.5A1.5 1.5 0 0 0 5 3.5V6h5M5 6H3.5A1.5 1.5 0 0 0 2 7.5v2A1.5 1.5 0 0 0 3.5 11H5' +
    'M8 14h1.5a1.5 1.5 0 0 0 1.5-1.5V10H6M11 10h1.5A1.5 1.5 0 0 0 14 8.5v-2A1.5 1.5 0 0 0 12.5 5H11',
  system: 'M2.5 3h11v8h-11zM5.5 13.5h5M5 6l1.5 1.2L5 8.4M8 8.5h2.5',
  data: 'M3 4c0-2 10-2 10 0v8c0 2-10 2-10 0zM3 4c0 2 10 2 10 0M3 8c0 2 10 2 10 0'
} as const;

export type IconName = keyof typeof PATHS;

/** An icon that stands beside its words, or in a button that has a name. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="orkee-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

const WORDS: readonly [RegExp, IconName][] = [
  [/node|deno|bun|javascript|typescript/, 'node'],
  [/python|jupyter|conda/, 'python'],
  [/postgres|mysql|maria|redis|sql|mongo|duckdb/, 'data'],
  [/debian|ubuntu|alpine|fedora|linux|bash|shell/, 'system']
];

/** The icon of a template: by its name, else by its image. */
export function templateIcon(template: string, image: string): IconName {
  for (const text of [template.toLowerCase(), image.toLowerCase()]) {
    const found = WORDS.find(([pattern]) => pattern.test(text));
    if (found !== undefined) {
      return found[1];
    }
  }
  return 'box';
}
