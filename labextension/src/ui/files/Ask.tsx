/** A question in the view itself, instead of a dialog: for a name, or whether to go on. */

import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Translate } from '../host';
import { Button } from '../parts/Button';

interface AskProps {
  t: Translate;
  question: string;
  /** The word on the button that goes on. */
  go: string;
  /** The name to begin with, where a name is asked for. */
  name?: string;
  check?: (name: string) => boolean;
  answer(name: string): void;
  cancel(): void;
}

export function Ask({ t, question, go, name, check, answer, cancel }: AskProps): JSX.Element {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const [value, setValue] = useState(name ?? '');
  const isRight = name === undefined || check === undefined || check(value);
  useEffect(() => {
    const field = form.current?.querySelector('input');
    if (field) {
      const dot = field.value.lastIndexOf('.');
      field.focus();
      field.setSelectionRange(0, dot > 0 ? dot : field.value.length);
    } else {
      form.current?.querySelector('button')?.focus();
    }
  }, []);
  return (
    <form
      ref={form}
      class="orkee-files-ask"
      aria-labelledby={id}
      onSubmit={(event) => {
        event.preventDefault();
        if (isRight) {
          answer(value);
        }
      }}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === 'Escape') {
          event.preventDefault();
          cancel();
        }
      }}
    >
      <span id={id} class="orkee-files-question">
        {question}
      </span>
      {name !== undefined && (
        <input
          type="text"
          class="orkee-input"
          aria-labelledby={id}
          aria-invalid={!isRight && value !== ''}
          value={value}
          spellcheck={false}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      )}
      <span class="orkee-files-answers">
        <Button type="submit" look="main" disabled={!isRight}>
          {go}
        </Button>
        <Button onClick={cancel}>{t('Cancel')}</Button>
      </span>
    </form>
  );
}
