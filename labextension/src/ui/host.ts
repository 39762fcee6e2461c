/**
 * What the place that shows the UI can do for it. A member that is absent
 * cannot be done there, and the UI offers something else or nothing.
 */

import type { Sandbox } from './api';

/** Translates a sentence; `%1`, `%2` … stand for the values. */
export type Translate = (sentence: string, ...values: (string | number)[]) => string;

export interface Host {
  /** `panel` is narrow and as high as the window; `notebook` grows with what it shows. */
  readonly place: 'panel' | 'notebook';
  readonly t: Translate;
  /** The name of the machine in the page's address; decides between direct links and the proxy. */
  readonly hostname: string;
  /** Makes a path below the server's origin into an address; absent where the page cannot reach it. */
  serverUrl?(path: string): string;
  /** Opens an address, which `links.ts` has found safe, in a new page. */
  open(url: string): void;
  copy(text: string): Promise<void>;
  /** Hands bytes to the browser as a download. */
  save(name: string, data: Blob): void;
  /** Inserts a code cell into the notebook in use; false where there is none. */
  insertCell?(code: string): boolean;
  /** Shows a shell of the sandbox in a terminal of the place's own. */
  openTerminal?(sandbox: Sandbox): Promise<void>;
  /** Opens a file of the workspace in an editor of the place's own, which saves it back. */
  openFile?(sandbox: Sandbox, path: string): Promise<void>;
}

/** The translation where there is none: puts the values in. */
export const untranslated: Translate = (sentence, ...values) =>
  sentence.replace(/%(\d+)/g, (whole, number: string) => {
    const value = values[Number(number) - 1];
    return value === undefined ? whole : String(value);
  });
