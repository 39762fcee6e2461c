/**
 * Sandboxes' workspaces as a drive of JupyterLab: `Sandbox:ID/folder/file`. Its editor, its
 * notebooks and its viewers read and save there as they do in the server's own folder.
 */

import type { Contents, ServerConnection } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';

import type { FileEntry } from '../ui/api';
import { isObject, text } from '../ui/guards';
import type { Transport } from '../ui/transport';
import { entryOf, entriesOf, folderModel, model, withContent } from './models';
import { asResponseError, notPossible } from './refused';
import { API } from './transport';

export const DRIVE = 'Sandbox';
/** Bytes of a file that is opened in a page. */
export const MOST_BYTES = 32 * 1024 * 1024;

type Change = Contents.IChangedArgs;

interface Place {
  ref: string;
  /** In the workspace; empty for the workspace itself. */
  path: string;
}

export class SandboxDrive implements Contents.IDrive {
  readonly name = DRIVE;
  private disposed = false;
  private readonly changed = new Signal<this, Change>(this);
  /** Parts of files that JupyterLab sends piece by piece, by their paths. */
  private readonly pieces = new Map<string, Blob[]>();

  constructor(
    private readonly transport: Transport,
    readonly serverSettings: ServerConnection.ISettings
  ) {}

  get fileChanged(): ISignal<this, Change> {
    return this.changed;
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    this.disposed = true;
    Signal.clearData(this);
  }

  async get(localPath: string, options: Contents.IFetchOptions = {}): Promise<Contents.IModel> {
    const place = placeOf(localPath);
    if (place === null) {
      return this.root();
    }
    const wants = options.content ?? true;
    const answer = await this.files(place, wants ? { follow: '1' } : { list: '0', follow: '1' });
    const entry = entryOf(answer);
    if (entry.type === 'directory') {
      return folderModel(localPath, entry.mtime, wants ? entriesOf(answer) : null);
    }
    const bare = model(localPath, entry);
    if (!wants) {
      return bare;
    }
    const bytes = await this.asked(() =>
      this.transport.read(query(place, 'files/content'), MOST_BYTES)
    );
    return withContent(bare, bytes, options);
  }

  getDownloadUrl(localPath: string): Promise<string> {
    const path = query(within(localPath), 'files/content');
    return Promise.resolve(`${this.serverSettings.baseUrl}${API}${path}`);
  }

  async save(
    localPath: string,
    options: Partial<Contents.IModel> = {}
  ): Promise<Contents.IModel> {
    const place = within(localPath);
    if (options.type === 'directory') {
      await this.change(place, { op: 'mkdir', parents: true });
    } else {
      const data = this.whole(localPath, body(options), options.chunk);
      if (data === null) {
        return { ...model(localPath, nothing(place.path)), ...options, path: localPath };
      }
      await this.asked(() => this.transport.write(query(place, 'files/content'), data));
    }
    const saved = await this.get(localPath, { content: false });
    this.changed.emit({ type: 'save', oldValue: null, newValue: saved });
    return saved;
  }

  async newUntitled(options: Contents.ICreateOptions = {}): Promise<Contents.IModel> {
    const folder = options.path ?? '';
    const listed = await this.get(folder);
    const taken = new Set((listed.content as Contents.IModel[]).map((each) => each.name));
    const path = join(folder, free(taken, options));
    const empty = { cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 };
    const content = options.type === 'notebook' ? JSON.stringify(empty) : '';
    const isFolder = options.type === 'directory';
    const created = await this.save(
      path,
      isFolder ? { type: 'directory' } : { type: 'file', format: 'text', content }
    );
    this.changed.emit({ type: 'new', oldValue: null, newValue: created });
    return created;
  }

  async delete(localPath: string): Promise<void> {
    const path = query(within(localPath), 'files', { recursive: '1' });
    await this.asked(() => this.transport.request('DELETE', path));
    this.changed.emit({ type: 'delete', oldValue: { path: localPath }, newValue: null });
  }

  async rename(oldLocalPath: string, newLocalPath: string): Promise<Contents.IModel> {
    const [from, to] = [within(oldLocalPath), within(newLocalPath)];
    if (from.ref !== to.ref) {
      throw notPossible('A file cannot be moved to another sandbox.', 'Copy it, or download it.');
    }
    await this.change(from, { op: 'rename', to: to.path });
    const renamed = await this.get(newLocalPath, { content: false });
    this.changed.emit({ type: 'rename', oldValue: { path: oldLocalPath }, newValue: renamed });
    return renamed;
  }

  async copy(localPath: string, toLocalDir: string): Promise<Contents.IModel> {
    const place = within(localPath);
    const listed = await this.get(toLocalDir);
    const taken = new Set((listed.content as Contents.IModel[]).map((each) => each.name));
    const path = join(toLocalDir, freeCopy(taken, place.path.split('/').at(-1) ?? ''));
    const bytes = await this.asked(() =>
      this.transport.read(query(place, 'files/content'), MOST_BYTES)
    );
    const data = new Blob([bytes as Uint8Array<ArrayBuffer>]);
    await this.asked(() => this.transport.write(query(within(path), 'files/content'), data));
    const copied = await this.get(path, { content: false });
    this.changed.emit({ type: 'new', oldValue: null, newValue: copied });
    return copied;
  }

  // A sandbox keeps no earlier states of a file: there is nothing to go back to.

  createCheckpoint(): Promise<Contents.ICheckpointModel> {
    return Promise.resolve({ id: 'none', last_modified: new Date().toISOString() });
  }

  listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return Promise.resolve([]);
  }

  restoreCheckpoint(): Promise<void> {
    return Promise.resolve();
  }

  deleteCheckpoint(): Promise<void> {
    return Promise.resolve();
  }

  /** The sandboxes that can be looked into, as folders. */
  private async root(): Promise<Contents.IModel> {
    const answer = await this.asked(() => this.transport.request('GET', 'sandbox?status=active'));
    const listed = isObject(answer) ? answer['sandboxes'] : null;
    const ids = (Array.isArray(listed) ? listed : [])
      .map((each: unknown) => (isObject(each) ? text(each['id']) : null))
      .filter((id) => id !== null);
    return folderModel('', 0, ids.map((id) => ({ ...nothing(id), type: 'directory' as const })));
  }

  private files(place: Place, more: Record<string, string>): Promise<unknown> {
    return this.asked(() => this.transport.request('GET', query(place, 'files', more)));
  }

  private async change(place: Place, body: Record<string, unknown>): Promise<void> {
    const request = { ...body, path: place.path };
    await this.asked(() => this.transport.request('POST', `sandbox/${place.ref}/files`, request));
  }

  private async asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asResponseError(error);
    }
  }

  /** Puts pieces together; null while the last one, of number -1, has not come. */
  private whole(path: string, data: Blob, piece: number | undefined): Blob | null {
    if (piece === undefined) {
      return data;
    }
    const pieces = piece === 1 ? [] : (this.pieces.get(path) ?? []);
    pieces.push(data);
    if (piece !== -1) {
      this.pieces.set(path, pieces);
      return null;
    }
    this.pieces.delete(path);
    return new Blob(pieces);
  }
}

/** Null for the drive itself. */
function placeOf(localPath: string): Place | null {
  const [ref = '', ...rest] = localPath.split('/').filter(Boolean);
  return ref === '' ? null : { ref: encodeURIComponent(ref), path: rest.join('/') };
}

function within(localPath: string): Place {
  const place = placeOf(localPath);
  if (place === null) {
    throw notPossible('This is no place in a sandbox.', 'Choose a folder of a sandbox.');
  }
  return place;
}

function query(place: Place, what: string, more: Record<string, string> = {}): string {
  const params = new URLSearchParams({ path: place.path || '.', ...more });
  return `sandbox/${place.ref}/${what}?${params.toString()}`;
}

function nothing(path: string): FileEntry {
  return { path, type: 'file', size: 0, mtime: Date.now() / 1000, target: null };
}

function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder.replace(/\/+$/, '')}/${name}`;
}

function body(options: Partial<Contents.IModel>): Blob {
  const content: unknown = options.content;
  if (options.format === 'base64' && typeof content === 'string') {
    return new Blob([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))]);
  }
  if (typeof content === 'string') {
    return new Blob([content]);
  }
  return new Blob([content === undefined ? '' : `${JSON.stringify(content, null, 1)}\n`]);
}

function free(taken: ReadonlySet<string>, options: Contents.ICreateOptions): string {
  const [stem, end] =
    options.type === 'directory'
      ? ['Untitled Folder', '']
      : options.type === 'notebook'
        ? ['Untitled', '.ipynb']
        : ['untitled', options.ext ?? '.txt'];
  return first(taken, (number) => `${stem}${number || ''}${end}`);
}

function freeCopy(taken: ReadonlySet<string>, name: string): string {
  const dot = name.lastIndexOf('.');
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  return first(taken, (number) => `${stem}-Copy${number + 1}${end}`);
}

function first(taken: ReadonlySet<string>, name: (number: number) => string): string {
  let number = 0;
  while (taken.has(name(number))) {
    number++;
  }
  return name(number);
}
