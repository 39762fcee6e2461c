/** A workspace in memory, that answers as the server's files do. */

import type { Method, Transport } from '../../src/ui/transport';
import { RequestFailed } from '../../src/ui/transport';

type Node = { data: string; mtime: number } | null;

export class Workspace implements Transport {
  /** By path; null is a folder. */
  readonly files = new Map<string, Node>();
  time = 1000;

  async request(method: Method, path: string, body?: unknown): Promise<unknown> {
    const url = new URL(path, 'http://x/');
    if (url.pathname === '/sandbox') {
      return { success: true, sandboxes: [{ id: 'ab' }, { id: 7 }] };
    }
    const at = normal(url.searchParams.get('path') ?? '');
    if (method === 'GET') {
      return this.list(at, url.searchParams.get('list') !== '0');
    }
    if (method === 'DELETE') {
      this.files.delete(at);
      return { success: true };
    }
    const change = body as { op: string; path: string; to?: string };
    if (change.op === 'mkdir') {
      this.files.set(change.path, null);
    } else {
      this.files.set(change.to ?? '', this.file(change.path));
      this.files.delete(change.path);
    }
    return { success: true };
  }

  async read(path: string): Promise<Uint8Array> {
    const { data } = this.file(normal(new URL(path, 'http://x/').searchParams.get('path') ?? ''));
    return Uint8Array.from(data, (each) => each.charCodeAt(0));
  }

  async write(path: string, data: Blob): Promise<unknown> {
    const at = normal(new URL(path, 'http://x/').searchParams.get('path') ?? '');
    const bytes = new Uint8Array(await data.arrayBuffer());
    this.files.set(at, { data: String.fromCharCode(...bytes), mtime: this.time });
    return { success: true };
  }

  connect(): never {
    throw new Error('not here');
  }

  private file(at: string): { data: string; mtime: number } {
    const node = this.files.get(at);
    if (node === undefined || node === null) {
      throw new RequestFailed({
        code: 'file_not_found',
        detail: `There is no '${at}' in the sandbox.`,
        remedy: 'List what there is.'
      });
    }
    return node;
  }

  private list(at: string, entries: boolean): unknown {
    const entry = (path: string, node: Node) => ({
      path,
      type: node === null ? 'directory' : 'file',
      size: node?.data.length ?? 0,
      mtime: node?.mtime ?? 0,
      target: null
    });
    if (at !== '' && this.files.get(at) !== null) {
      return { success: true, entry: entry(at, this.file(at)), entries: [] };
    }
    const begin = at === '' ? '' : `${at}/`;
    const inside = [...this.files].filter(
      ([path]) => path.startsWith(begin) && !path.slice(begin.length).includes('/') && path !== at
    );
    return {
      success: true,
      entry: entry('.', null),
      entries: entries ? inside.map(([path, node]) => entry(path.slice(begin.length), node)) : []
    };
  }
}

function normal(path: string): string {
  return path === '.' ? '' : path;
}
