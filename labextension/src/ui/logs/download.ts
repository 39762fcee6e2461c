/** A log as a file: whole from the server, or what the page holds where that cannot be. */

import type { Sandbox } from '../api';
import type { Host } from '../host';
import type { Transport } from '../transport';
import { fileName } from './sentences';
import type { LogStore } from './store';

/** Bytes of a log that are taken through the page. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Returns whether all of the log was saved, and not what is held alone. */
export async function saveLog(
  transport: Transport,
  host: Host,
  sandbox: Sandbox,
  store: LogStore
): Promise<boolean> {
  let parts: BlobPart[];
  let isWhole = true;
  try {
    const path = `sandbox/${encodeURIComponent(sandbox.id)}/logs?format=raw`;
    parts = [(await transport.read(path, MOST_BYTES)) as Uint8Array<ArrayBuffer>];
  } catch {
    parts = held(store);
    isWhole = false;
  }
  host.save(fileName(sandbox), new Blob(parts, { type: 'text/plain' }));
  return isWhole;
}

function held(store: LogStore): string[] {
  const parts: string[] = [];
  for (let line = store.first; line < store.end; line++) {
    const { kind, text } = store.line(line);
    parts.push(kind === 'dropped' ? `[${text} bytes are missing here]\n` : `${text}\n`);
  }
  return parts;
}
