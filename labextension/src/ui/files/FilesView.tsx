/** The files of a sandbox: a tree, and what can be done with them. */

import type { HTMLAttributes, JSX } from 'preact';
import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { Problem, Sandbox } from '../api';
import type { Host } from '../host';
import { ProblemBox } from '../parts/ProblemBox';
import { ToolButton } from '../parts/ToolButton';
import type { Transport } from '../transport';
import { download, makeFolder, remove, rename } from './actions';
import { Ask } from './Ask';
import { readDocument } from './document';
import type { Document } from './document';
import { Editor } from './Editor';
import { folderOf, isName, join, visible } from './names';
import { Rows } from './Rows';
import { Tree, folderAt, problemOf } from './tree';
import type { Row } from './tree';
import { UploadList } from './UploadList';
import { Uploads, droppedFiles } from './uploads';

export interface FilesViewProps {
  transport: Transport;
  sandbox: Sandbox;
  host: Host;
}

type Question = { about: 'folder'; in: string } | { about: 'rename' | 'remove'; row: Row };

export function FilesView(props: FilesViewProps): JSX.Element {
  // Another sandbox has other files: nothing of the one before stays.
  return <Files key={props.sandbox.id} {...props} />;
}

function Files({ transport, sandbox, host }: FilesViewProps): JSX.Element {
  const { t } = host;
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const tree = useMemo(() => new Tree(transport, sandbox.id, () => redraw(undefined)), []);
  const uploads = useMemo(
    () =>
      new Uploads(transport, sandbox.id, () => redraw(undefined), (folder) => {
        void tree.refreshFolder(tree.expanded.has(folder) ? folder : '');
      }),
    []
  );
  const [current, setCurrent] = useState('');
  const [question, setQuestion] = useState<Question | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [document, setDocument] = useState<Document | null>(null);
  const [busy, setBusy] = useState('');
  const [over, setOver] = useState<string | null>(null);
  const root = useRef<HTMLDivElement>(null);
  const isActive = sandbox.status === 'active';
  useShown(root, isActive, () => void tree.refresh());

  const { rows } = tree;
  const index = rows.findIndex((row) => row.path === current);
  const row = rows[index];
  const place = { transport, sandbox, host, tree };
  const attempt = async (sentence: string, action: () => Promise<unknown>): Promise<void> => {
    setProblem(null);
    setQuestion(null);
    setBusy(sentence);
    try {
      await action();
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy('');
  };
  const focusTree = (): void => root.current?.querySelector<HTMLElement>('[role=tree]')?.focus();
  const cancel = (): void => {
    setQuestion(null);
    focusTree();
  };
  const toggle = (which: Row, opens: boolean): void =>
    opens ? void tree.expand(which.path) : tree.collapse(which.path);
  const openFile = (path: string): Promise<void> =>
    attempt(t('Opening…'), async () => {
      if (host.openFile !== undefined) {
        await host.openFile(sandbox, path);
      } else {
        setDocument(await readDocument(transport, sandbox, path, t));
      }
    });
  const open = async (which: Row): Promise<void> => {
    if (which.expanded !== null && which.expanded) {
      tree.collapse(which.path);
    } else if (which.expanded === null ? which.entry.type === 'file' : !(await tree.expand(which.path))) {
      await openFile(which.path);
    }
  };
  const answer = async (name: string): Promise<void> => {
    if (question === null) {
      return;
    }
    if (question.about === 'folder') {
      const path = join(question.in, name);
      await attempt(t('Making a folder…'), () => makeFolder(place, path));
      setCurrent(path);
    } else if (question.about === 'rename') {
      await attempt(t('Renaming…'), async () => setCurrent(await rename(place, question.row.path, name)));
    } else {
      await attempt(t('Deleting…'), () => remove(place, question.row));
      setCurrent(folderOf(question.row.path));
    }
    focusTree();
  };

  const editor = document !== null && (
    <Editor
      key={document.path}
      {...{ document, sandbox, transport, host }}
      saved={() => void tree.refreshFolder(folderOf(document.path))}
      close={() => {
        setDocument(null);
        requestAnimationFrame(focusTree);
      }}
    />
  );
  if (!isActive) {
    return (
      <div ref={root} class="orkee-files">
        <p class="orkee-files-note">{t('The files can be seen while the sandbox is active.')}</p>
        {editor}
      </div>
    );
  }
  if (editor) {
    return (
      <div ref={root} class="orkee-files">
        {editor}
      </div>
    );
  }
  const folder = folderAt(row, tree);
  const drop = dropHandlers({ rows, tree, uploads, setOver });
  return (
    <div ref={root} class="orkee-files" {...drop}>
      <Tools
        {...{ t, row, folder, uploads }}
        ask={setQuestion}
        refresh={() => void tree.refresh()}
        save={() => void attempt(t('Downloading…'), () => download(place, row))}
      />
      {question !== null && <Asked key={question.about} {...{ t, question, cancel }} answer={(name) => void answer(name)} />}
      {problem !== null && <ProblemBox problem={problem} />}
      {tree.problem !== null && <ProblemBox problem={tree.problem} />}
      <UploadList uploads={uploads} t={t} />
      <Rows
        {...{ rows, t, over, toggle }}
        current={index}
        choose={(at) => setCurrent(rows[at]?.path ?? '')}
        open={(which) => void open(which)}
        rename={() => row && setQuestion({ about: 'rename', row })}
        remove={() => row && setQuestion({ about: 'remove', row })}
      />
      <p class="orkee-files-note" role="status">
        {over !== null
          ? t('Drop it to upload it to %1', over === '' ? t('the workspace') : visible(over))
          : busy !== ''
            ? busy
            : tree.isRead && rows.length === 0
              ? t('The workspace is empty. Drop files here to upload them.')
              : ''}
      </p>
    </div>
  );
}

/** Calls a function when an element comes into sight, and when it may do something. */
function useShown(root: { current: HTMLElement | null }, isOn: boolean, act: () => void): void {
  useEffect(() => {
    if (!isOn) {
      return undefined;
    }
    act();
    if (root.current === null || typeof IntersectionObserver === 'undefined') {
      return undefined;
    }
    let wasSeen = true;
    const observer = new IntersectionObserver((entries) => {
      const isSeen = entries.some((each) => each.isIntersecting);
      if (isSeen && !wasSeen) {
        act();
      }
      wasSeen = isSeen;
    });
    observer.observe(root.current);
    return () => observer.disconnect();
  }, [isOn]);
}

interface DropParts {
  rows: readonly Row[];
  tree: Tree;
  uploads: Uploads;
  setOver(folder: string | null): void;
}

/** The handlers of a drop: on a folder it goes there, else to the workspace. */
function dropHandlers({ rows, tree, uploads, setOver }: DropParts): HTMLAttributes<HTMLDivElement> {
  const target = (event: DragEvent): string => {
    const element = (event.target as Element).closest<HTMLElement>('[data-index]');
    return folderAt(rows[Number(element?.dataset['index'] ?? -1)], tree);
  };
  const isFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;
  return {
    onDragOver: (event) => {
      if (isFiles(event)) {
        event.preventDefault();
        event.stopPropagation();
        setOver(target(event));
      }
    },
    onDragLeave: (event) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) {
        setOver(null);
      }
    },
    onDrop: (event) => {
      if (isFiles(event) && event.dataTransfer !== null) {
        event.preventDefault();
        event.stopPropagation();
        const folder = target(event);
        setOver(null);
        void droppedFiles(event.dataTransfer).then((files) => uploads.add(folder, files));
      }
    }
  };
}

interface AskedProps {
  t: Host['t'];
  question: Question;
  answer(name: string): void;
  cancel(): void;
}

function Asked({ t, question, answer, cancel }: AskedProps): JSX.Element {
  if (question.about === 'folder') {
    const where = question.in === '' ? t('New folder:') : t('New folder in %1:', visible(question.in));
    return <Ask {...{ t, answer, cancel }} question={where} go={t('Create')} name="" check={isName} />;
  }
  const { path, entry } = question.row;
  if (question.about === 'rename') {
    const ask = t('New name of %1:', visible(entry.path));
    return <Ask {...{ t, answer, cancel }} question={ask} go={t('Rename')} name={entry.path} check={isName} />;
  }
  const ask =
    entry.type === 'directory'
      ? t('Delete %1 and all that is in it?', visible(path))
      : t('Delete %1?', visible(path));
  return <Ask {...{ t, answer, cancel }} question={ask} go={t('Delete')} />;
}

interface ToolsProps {
  t: Host['t'];
  row: Row | undefined;
  folder: string;
  uploads: Uploads;
  ask(question: Question): void;
  refresh(): void;
  save(): void;
}

function Tools({ t, row, folder, uploads, ask, refresh, save }: ToolsProps): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const name = row === undefined ? t('the workspace') : visible(row.path);
  const isNone = row === undefined;
  return (
    <div class="orkee-files-tools">
      <ToolButton drawing="upload" label={t('Upload files')} onClick={() => field.current?.click()} />
      <input
        ref={field}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          uploads.add(folder, files.map((data) => ({ path: data.name, data })));
          event.currentTarget.value = '';
        }}
      />
      <ToolButton drawing="newFolder" label={t('New folder')} onClick={() => ask({ about: 'folder', in: folder })} />
      <ToolButton drawing="download" label={t('Download %1', name)} onClick={save} />
      <ToolButton
        drawing="rename"
        label={isNone ? t('Rename') : t('Rename %1', name)}
        disabled={isNone}
        onClick={() => row && ask({ about: 'rename', row })}
      />
      <ToolButton
        drawing="remove"
        label={isNone ? t('Delete') : t('Delete %1', name)}
        disabled={isNone}
        onClick={() => row && ask({ about: 'remove', row })}
      />
      <span class="orkee-files-rest" />
      <ToolButton drawing="refresh" label={t('Refresh')} onClick={refresh} />
    </div>
  );
}
