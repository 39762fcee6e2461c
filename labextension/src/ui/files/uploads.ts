/** Files on their way into the workspace, one after the other. */

import type { Problem } from '../api';
import type { Transport } from '../transport';
import { address, folderOf, isName, join } from './names';
import { problemOf } from './tree';

export interface Upload {
  key: number;
  path: string;
  data: Blob;
  sent: number;
  /** `exists`: there is something of that name; the user decides. */
  state: 'waiting' | 'sending' | 'exists' | 'failed';
  replaces: boolean;
  problem: Problem | null;
}

export interface Dropped {
  /** Relative to the folder that it was dropped on. */
  path: string;
  data: Blob;
}

/** Files of one drop. */
export const MOST_FILES = 5000;

export class Uploads {
  /** What is under way or needs a decision; what is done is not in it. */
  items: Upload[] = [];
  private isBusy = false;
  private count = 0;

  constructor(
    private readonly transport: Transport,
    private readonly id: string,
    private readonly changed: () => void,
    private readonly done: (folder: string) => void
  ) {}

  add(folder: string, files: readonly Dropped[]): void {
    for (const { path, data } of files) {
      const state = 'waiting';
      const key = this.count++;
      const to = join(folder, path);
      this.items.push({ key, path: to, data, sent: 0, state, replaces: false, problem: null });
    }
    void this.run();
  }

  replace(item: Upload): void {
    Object.assign(item, { state: 'waiting', replaces: true, problem: null });
    void this.run();
  }

  /** Forgets one that waits, was in the way or has failed. */
  drop(item: Upload): void {
    this.items = this.items.filter((each) => each !== item);
    this.changed();
  }

  private async run(): Promise<void> {
    this.changed();
    if (this.isBusy) {
      return;
    }
    this.isBusy = true;
    for (let item; (item = this.items.find((each) => each.state === 'waiting')) !== undefined; ) {
      await this.send(item);
    }
    this.isBusy = false;
  }

  private async send(item: Upload): Promise<void> {
    item.state = 'sending';
    this.changed();
    try {
      const more = `&parents=1${item.replaces ? '' : '&exclusive=1'}`;
      await this.transport.write(address(this.id, item.path, '/content', more), item.data, (sent) => {
        item.sent = sent;
        this.changed();
      });
      this.items = this.items.filter((each) => each !== item);
      this.done(folderOf(item.path));
    } catch (error) {
      item.problem = problemOf(error);
      item.state = item.problem.code === 'file_exists' ? 'exists' : 'failed';
    }
    this.changed();
  }
}

/** Returns the files of a drop, those in folders too. It must be called while the drop is handled. */
export async function droppedFiles(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items]
    .filter((item) => item.kind === 'file')
    .map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...transfer.files];
  const found: Dropped[] = [];
  for (const [index, entry] of entries.entries()) {
    const file = files[index];
    if (entry?.isDirectory === true) {
      await walk(entry as FileSystemDirectoryEntry, entry.name, found);
    } else if (file !== undefined && isName(file.name)) {
      found.push({ path: file.name, data: file });
    }
  }
  return found;
}

async function walk(folder: FileSystemDirectoryEntry, path: string, found: Dropped[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    // A reader gives some at a time, and none when it is through.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (some.length === 0) {
      return;
    }
    for (const entry of some) {
      const at = join(path, entry.name);
      if (found.length >= MOST_FILES || !isName(entry.name)) {
        continue;
      }
      if (entry.isDirectory) {
        await walk(entry as FileSystemDirectoryEntry, at, found);
      } else {
        const data = await new Promise<File>((resolve, reject) =>
          (entry as FileSystemFileEntry).file(resolve, reject)
        );
        found.push({ path: at, data });
      }
    }
  }
}
