/** A simple editor for a text file, where the place has none of its own. */

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Problem, Sandbox } from '../api';
import type { Host } from '../host';
import { Button } from '../parts/Button';
import { ProblemBox } from '../parts/ProblemBox';
import type { Transport } from '../transport';
import { Ask } from './Ask';
import { changedAt, writeDocument } from './document';
import type { Document } from './document';
import { visible } from './names';
import { problemOf } from './tree';

interface EditorProps {
  document: Document;
  sandbox: Sandbox;
  transport: Transport;
  host: Host;
  saved(): void;
  close(): void;
}

export function Editor({ document, sandbox, transport, host, saved, close }: EditorProps): JSX.Element {
  const { t } = host;
  const field = useRef<HTMLTextAreaElement>(null);
  const [kept, setKept] = useState(document.text);
  const [text, setText] = useState(document.text);
  const [mtime, setMtime] = useState(document.mtime);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [asks, setAsks] = useState<'close' | 'save' | null>(null);
  const isChanged = text !== kept;
  const cannotSave = isBusy || !isChanged || sandbox.status !== 'active';
  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(0, 0);
  }, []);

  const save = async (isSure: boolean): Promise<void> => {
    setBusy(true);
    setProblem(null);
    setAsks(null);
    try {
      if (!isSure && (await changedAt(transport, sandbox, document.path)) !== mtime) {
        setAsks('save');
      } else {
        setMtime(await writeDocument(transport, sandbox, document, text));
        setKept(text);
        saved();
      }
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  const keys = (event: KeyboardEvent): void => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 's') {
      event.preventDefault();
      event.stopPropagation();
      if (!cannotSave) {
        void save(false);
      }
    }
  };
  return (
    <section class="orkee-files-editor" aria-label={visible(document.path)} onKeyDown={keys}>
      <header class="orkee-files-tools">
        <bdi class="orkee-files-name" title={visible(document.path)}>
          {visible(document.path)}
        </bdi>
        <span class="orkee-files-changed" role="status">
          {isBusy ? t('Saving…') : isChanged ? t('changed') : ''}
        </span>
        <Button look="main" disabled={cannotSave} onClick={() => void save(false)}>
          {t('Save')}
        </Button>
        <Button onClick={() => (isChanged ? setAsks('close') : close())}>{t('Close')}</Button>
      </header>
      {asks === 'close' && (
        <Ask
          t={t}
          question={t('Close without saving?')}
          go={t('Close')}
          answer={close}
          cancel={() => setAsks(null)}
        />
      )}
      {asks === 'save' && (
        <Ask
          t={t}
          question={t('The file has changed in the sandbox meanwhile. Replace it?')}
          go={t('Replace')}
          answer={() => void save(true)}
          cancel={() => setAsks(null)}
        />
      )}
      {problem !== null && <ProblemBox problem={problem} />}
      <textarea
        ref={field}
        class="orkee-files-text"
        aria-label={t('Text of %1', visible(document.path))}
        spellcheck={false}
        wrap="off"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </section>
  );
}
