/** A sandbox's files as JupyterLab's models of documents and folders. */

import type { Contents } from '@jupyterlab/services';

import type { FileEntry } from '../ui/api';
import { finite, isObject, problem, text } from '../ui/guards';
import { RequestFailed } from '../ui/transport';
import { notPossible } from './refused';

const TYPES = ['file', 'directory', 'symlink', 'other'] as const;

/** Reads the entry that an answer is about. Throws RequestFailed. */
export function entryOf(answer: unknown): FileEntry {
  const found = isObject(answer) ? entry(answer['entry']) : null;
  if (found === null) {
    throw new RequestFailed(problem(null));
  }
  return found;
}

/** Reads the entries in a folder; what cannot be read is left out. */
export function entriesOf(answer: unknown): FileEntry[] {
  const list = isObject(answer) ? answer['entries'] : null;
  return (Array.isArray(list) ? list : []).map(entry).filter((each) => each !== null);
}

export function model(path: string, { type, size, mtime }: FileEntry): Contents.IModel {
  const name = path.split('/').at(-1) ?? '';
  const time = new Date(mtime * 1000).toISOString();
  const isFolder = type === 'directory';
  return {
    name,
    path,
    type: isFolder ? 'directory' : name.endsWith('.ipynb') ? 'notebook' : 'file',
    writable: true,
    created: time,
    last_modified: time,
    size: isFolder ? (null as unknown as number) : size,
    mimetype: isFolder ? '' : 'application/octet-stream',
    content: null,
    format: null as unknown as Contents.FileFormat
  };
}

/** The model of a folder; without what is in it where that is null. */
export function folderModel(
  path: string,
  mtime: number,
  entries: readonly FileEntry[] | null
): Contents.IModel {
  const folder = model(path, { path, type: 'directory', size: 0, mtime, target: null });
  if (entries === null) {
    return folder;
  }
  const begin = path === '' ? '' : `${path.replace(/\/+$/, '')}/`;
  const content = entries.map((each) => model(`${begin}${each.path}`, each));
  return { ...folder, format: 'json', content };
}

/** Puts a file's bytes into its model, in the format that was asked for or that they are fit for. */
export function withContent(
  bare: Contents.IModel,
  bytes: Uint8Array,
  options: Contents.IFetchOptions
): Contents.IModel {
  const isNotebook = options.type === 'notebook' || (!options.type && bare.type === 'notebook');
  const asText = options.format === 'base64' ? null : decoded(bytes);
  if (asText === null) {
    if (isNotebook || options.format === 'text') {
      throw notPossible(`${bare.name} is not text in UTF-8.`, 'Download it instead.');
    }
    return { ...bare, type: 'file', format: 'base64', content: base64(bytes) };
  }
  if (isNotebook) {
    return { ...bare, type: 'notebook', format: 'json', content: notebook(bare.name, asText) };
  }
  return { ...bare, type: 'file', format: 'text', mimetype: 'text/plain', content: asText };
}

function entry(value: unknown): FileEntry | null {
  const object = isObject(value) ? value : {};
  const [path, size, mtime] = [
    text(object['path']),
    finite(object['size']),
    finite(object['mtime'])
  ];
  const type = TYPES.find((each) => each === object['type']);
  if (path === null || size === null || mtime === null || type === undefined) {
    return null;
  }
  return { path, type, size, mtime, target: text(object['target']) };
}

function notebook(name: string, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw notPossible(`${name} is no notebook: it is not JSON.`, 'Open it with the text editor.');
  }
}

function decoded(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let index = 0; index < bytes.length; index += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(index, index + 0x8000));
  }
  return btoa(binary);
}
