/** What can be done to files of a sandbox. */

import type { Sandbox } from '../api';
import type { Host } from '../host';
import type { Transport } from '../transport';
import { address, folderOf, join, nameOf } from './names';
import type { Row, Tree } from './tree';

/** Bytes that are taken through the page. */
const MOST_BYTES = 256 * 1024 * 1024;

export interface Place {
  transport: Transport;
  sandbox: Sandbox;
  host: Host;
  tree: Tree;
}

export async function makeFolder({ transport, sandbox, tree }: Place, path: string): Promise<void> {
  await transport.request('POST', filesOf(sandbox), { op: 'mkdir', path });
  const folder = folderOf(path);
  if (folder !== '') {
    tree.expanded.add(folder);
  }
  await tree.refreshFolder(folder);
}

export async function rename({ transport, sandbox, tree }: Place, path: string, name: string): Promise<string> {
  const to = join(folderOf(path), name);
  await transport.request('POST', filesOf(sandbox), { op: 'rename', path, to });
  tree.collapse(path);
  await tree.refreshFolder(folderOf(path));
  return to;
}

export async function remove({ transport, sandbox, tree }: Place, row: Row): Promise<void> {
  const more = row.entry.type === 'directory' ? '&recursive=1' : '';
  await transport.request('DELETE', address(sandbox.id, row.path, '', more));
  tree.collapse(row.path);
  await tree.refreshFolder(folderOf(row.path));
}

/** Saves a file, or a folder as an archive; the whole workspace without a row. */
export async function download({ transport, sandbox, host, tree }: Place, row: Row | undefined): Promise<void> {
  const isFolder = row === undefined || tree.isFolder(row.entry, row.path);
  const path = row?.path ?? '';
  const bytes = await transport.read(
    address(sandbox.id, path, isFolder ? '/archive' : '/content'),
    MOST_BYTES
  );
  const name = nameOf(path) || (sandbox.name ?? sandbox.short_id);
  host.save(isFolder ? `${name}.tar` : name, new Blob([bytes as Uint8Array<ArrayBuffer>]));
}

function filesOf(sandbox: Sandbox): string {
  return `sandbox/${encodeURIComponent(sandbox.id)}/files`;
}
