/** The workspace of a sandbox as a tree: folders are read when they are opened. */

import type { FileEntry, Problem } from '../api';
import { finite, isObject, problem, text } from '../guards';
import { RequestFailed } from '../transport';
import type { Transport } from '../transport';
import { address, folderOf, isName, join } from './names';

interface Folder {
  /** Null: not read yet. */
  entries: FileEntry[] | null;
  problem: Problem | null;
}

export interface Row {
  /** Below the workspace, whose own path is ''. */
  path: string;
  entry: FileEntry;
  /** From 1 on. */
  level: number;
  position: number;
  setSize: number;
  /** Null of what cannot be opened as a folder. */
  expanded: boolean | null;
  /** Why it cannot be read. */
  problem: Problem | null;
}

const TYPES = ['file', 'directory', 'symlink', 'other'] as const;
const collator = new Intl.Collator(undefined, { numeric: true });

/** Returns what a failure says. */
export function problemOf(error: unknown): Problem {
  return error instanceof RequestFailed ? error.problem : problem({ detail: String(error) });
}

export class Tree {
  readonly expanded = new Set<string>();
  private folders = new Map<string, Folder>();
  /** Links that have turned out to lead to folders. */
  private readonly linked = new Set<string>();
  private kept: Row[] | null = null;
  private reading = 0;

  constructor(
    private readonly transport: Transport,
    private readonly id: string,
    private readonly changed: () => void
  ) {}

  get isReading(): boolean {
    return this.reading > 0;
  }

  /** Of the workspace itself. */
  get problem(): Problem | null {
    return this.folders.get('')?.problem ?? null;
  }

  get isRead(): boolean {
    return this.folders.get('')?.entries != null;
  }

  /** What is to be seen, from the top down. */
  get rows(): readonly Row[] {
    this.kept ??= this.collect('', 1, []);
    return this.kept;
  }

  isFolder(entry: FileEntry, path: string): boolean {
    return entry.type === 'directory' || this.linked.has(path);
  }

  /** Reads the folders that are open anew; what was read stays in sight meanwhile. */
  async refresh(): Promise<void> {
    await Promise.all(['', ...this.expanded].map((path) => this.read(path)));
  }

  async refreshFolder(path: string): Promise<void> {
    await this.read(path);
  }

  /** Opens a folder; of a link, false where it leads to something else. */
  async expand(path: string): Promise<boolean> {
    this.expanded.add(path);
    this.update();
    const type = this.folders.get(path)?.entries == null ? await this.read(path) : 'directory';
    if (type !== null && type !== 'directory') {
      this.linked.delete(path);
      this.collapse(path);
      return false;
    }
    return true;
  }

  collapse(path: string): void {
    this.expanded.delete(path);
    this.folders.delete(path);
    this.update();
  }

  /** Reads a folder; returns what it is, or null where that could not be learnt. */
  private async read(path: string): Promise<string | null> {
    const known = this.folders.get(path) ?? { entries: null, problem: null };
    this.folders.set(path, known);
    this.reading++;
    this.update();
    try {
      const answer = await this.transport.request('GET', address(this.id, path));
      const { type, entries } = listing(answer);
      if (type === 'directory') {
        this.linked.add(path);
        known.entries = entries;
        known.problem = null;
      }
      return type;
    } catch (error) {
      known.problem = problemOf(error);
      // A folder that was there is gone; a link to nothing is there, and says so.
      if (known.problem.code === 'file_not_found' && path !== '' && known.entries !== null) {
        this.expanded.delete(path);
        this.folders.delete(path);
      }
      return null;
    } finally {
      this.reading--;
      this.update();
    }
  }

  private update(): void {
    this.kept = null;
    this.changed();
  }

  private collect(folder: string, level: number, rows: Row[]): Row[] {
    const entries = this.folders.get(folder)?.entries ?? [];
    entries.forEach((entry, index) => {
      const path = join(folder, entry.path);
      const isOpen = this.expanded.has(path);
      const canOpen = entry.type === 'directory' || entry.type === 'symlink';
      rows.push({
        path,
        entry,
        level,
        position: index + 1,
        setSize: entries.length,
        expanded: canOpen ? isOpen : null,
        problem: this.folders.get(path)?.problem ?? null
      });
      if (isOpen) {
        this.collect(path, level + 1, rows);
      }
    });
    return rows;
  }
}

/** Reads a FilesAnswer: folders first, then by name. */
function listing(answer: unknown): { type: string; entries: FileEntry[] } {
  const object = isObject(answer) ? answer : {};
  const own = isObject(object['entry']) ? text(object['entry']['type']) : null;
  const list = Array.isArray(object['entries']) ? object['entries'] : [];
  const entries = list.map(entryOf).filter((each) => each !== null);
  const rank = (entry: FileEntry): number => (entry.type === 'directory' ? 0 : 1);
  entries.sort((a, b) => rank(a) - rank(b) || collator.compare(a.path, b.path));
  return { type: own ?? 'directory', entries };
}

/** Reads one entry; null where it has no name that a folder can hold. */
export function entryOf(value: unknown): FileEntry | null {
  const object = isObject(value) ? value : {};
  const path = text(object['path']);
  const type = TYPES.find((each) => each === object['type']);
  if (path === null || !isName(path)) {
    return null;
  }
  return {
    path,
    type: type ?? 'other',
    size: finite(object['size']) ?? 0,
    mtime: finite(object['mtime']) ?? 0,
    target: text(object['target'])
  };
}

/** Returns the folder that something new goes to, beside or in a row. */
export function folderAt(row: Row | undefined, tree: Tree): string {
  if (row === undefined) {
    return '';
  }
  return tree.isFolder(row.entry, row.path) ? row.path : folderOf(row.path);
}
