/** A text file as the built-in editor holds it. */

import type { Problem, Sandbox } from '../api';
import type { Translate } from '../host';
import { finite, isObject } from '../guards';
import { RequestFailed } from '../transport';
import type { Transport } from '../transport';
import { address } from './names';

/** Bytes of a file that can be edited here. */
export const MOST_BYTES = 1024 * 1024;

export interface Document {
  path: string;
  /** With `\n` at the end of lines, as an editor has it. */
  text: string;
  /** What the file ends its lines with. */
  newline: '\n' | '\r\n';
  /** When it was read; to see whether somebody else has changed it. */
  mtime: number | null;
}

/** Reads a text file. Rejects with RequestFailed, also where it is too large or no text. */
export async function readDocument(
  transport: Transport,
  sandbox: Sandbox,
  path: string,
  t: Translate
): Promise<Document> {
  const mtime = await changedAt(transport, sandbox, path);
  let bytes: Uint8Array;
  try {
    bytes = await transport.read(address(sandbox.id, path, '/content'), MOST_BYTES);
  } catch (error) {
    const isLarge = error instanceof RequestFailed && error.problem.code === 'file_too_large';
    throw isLarge
      ? refusal('file_too_large', t('The file is larger than 1 MiB.'), t)
      : error;
  }
  const text = decoded(bytes);
  if (text === null) {
    throw refusal('file_binary', t('The file is not text.'), t);
  }
  return { path, text: text.replaceAll('\r\n', '\n'), newline: newlineOf(text), mtime };
}

/** Writes it back; resolves with the new time of change. */
export async function writeDocument(
  transport: Transport,
  sandbox: Sandbox,
  document: Document,
  text: string
): Promise<number | null> {
  const data = new Blob([text.replaceAll('\n', document.newline)]);
  await transport.write(address(sandbox.id, document.path, '/content'), data);
  return changedAt(transport, sandbox, document.path);
}

/** Returns when a file was changed last; null where nobody says. */
export async function changedAt(
  transport: Transport,
  sandbox: Sandbox,
  path: string
): Promise<number | null> {
  const answer = await transport.request('GET', address(sandbox.id, path, '', '&list=0&follow=1'));
  const entry = isObject(answer) && isObject(answer['entry']) ? answer['entry'] : {};
  return finite(entry['mtime']);
}

/** Returns bytes as text; null where an editor would not give them back as they were. */
export function decoded(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const ends = new Set(text.match(/\r\n|\r|\n/g));
    // A text area makes one kind of line ends of all.
    return text.includes('\0') || ends.has('\r') || ends.size > 1 ? null : text;
  } catch {
    return null;
  }
}

function newlineOf(text: string): '\n' | '\r\n' {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

function refusal(code: string, detail: string, t: Translate): RequestFailed {
  const problem: Problem = { code, detail, remedy: t('Download it, and upload it again.') };
  return new RequestFailed(problem);
}
