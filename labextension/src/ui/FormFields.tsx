/** The options of a new sandbox: each with its name, an example, and what is wrong with it. */

import type { ComponentChildren, TextareaHTMLAttributes } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

import type { Problem, Template } from './api';
import { usePage } from './core';
import type { Fields } from './form';
import { bytes, duration } from './parts/format';

interface FormFieldsProps {
  fields: Fields;
  template: Template | undefined;
  problem: Problem | null;
  /** The field that the problem is about. */
  wrong: keyof Fields | null;
  set(key: keyof Fields, value: string): void;
}

export function FormFields({ fields, template, problem, wrong, set }: FormFieldsProps) {
  const { t } = usePage().host;
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    root.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [problem]);
  const bind = (key: keyof Fields) => ({
    value: fields[key],
    problem: wrong === key ? problem : null,
    onInput: (value: string) => set(key, value)
  });
  const { limits } = template ?? {};
  return (
    <div class="orkee-fields" ref={root}>
      <Field label={t('Name')} example={t('none: a short id')} {...bind('name')} />
      <Field
        label={t('Ports')}
        example={template?.ports.join(', ') || '3000, 8080:3000'}
        hint={t('Separated by commas; 8080:3000 asks for port 8080 of the host.')}
        {...bind('ports')}
      />
      <Field
        label={t('Environment')}
        example={t('NAME=value, one a line')}
        lines={3}
        {...bind('env')}
      />
      <Field label={t('Command')} example={template?.command?.join(' ') ?? ''} {...bind('command')} />
      <Field
        label={t('Lifetime without activity')}
        example={template === undefined ? '1h' : duration(template.ttl, t)}
        hint={t('Such as 90s, 30m, 2h or 1d.')}
        {...bind('ttl')}
      />
      <fieldset>
        <legend>{t('Limits')}</legend>
        <Field
          label={t('Memory')}
          example={limits?.memory ? bytes(limits.memory) : '512m'}
          {...bind('memory')}
        />
        <Field label={t('Processors')} example={String(limits?.cpus ?? '1.5')} {...bind('cpus')} />
        <Field label={t('Processes')} example={String(limits?.pids ?? '200')} {...bind('pids')} />
      </fieldset>
      <Field
        label={t('Project folder')}
        example={t('none: an empty workspace')}
        hint={t('Its files are copied into the workspace first. A path below the server’s folder.')}
        {...bind('project_folder')}
      />
      <Field label={t('Image')} example={template?.image ?? ''} {...bind('image')} />
    </div>
  );
}

interface FieldProps {
  label: string;
  value: string;
  example: string;
  hint?: string;
  lines?: number;
  problem: Problem | null;
  onInput(value: string): void;
}

function Field({ label, value, example, hint, lines, problem, onInput }: FieldProps) {
  const id = useId();
  const shared = {
    id,
    value,
    placeholder: example,
    spellcheck: false,
    autocomplete: 'off' as const,
    'aria-invalid': problem !== null,
    'aria-describedby': problem !== null ? `${id}-problem` : hint === undefined ? undefined : `${id}-hint`
  };
  return (
    <Labelled id={id} label={label}>
      {lines === undefined ? (
        <input type="text" {...shared} onInput={(event) => onInput(event.currentTarget.value)} />
      ) : (
        <textarea
          {...(shared as TextareaHTMLAttributes<HTMLTextAreaElement>)}
          rows={lines}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
      {problem !== null && (
        <span class="orkee-field-problem" id={`${id}-problem`} role="alert">
          {problem.detail} {problem.remedy}
        </span>
      )}
      {problem === null && hint !== undefined && (
        <span class="orkee-field-hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </Labelled>
  );
}

function Labelled(props: { id: string; label: string; children: ComponentChildren }) {
  return (
    <div class="orkee-field">
      <label for={props.id}>{props.label}</label>
      {props.children}
    </div>
  );
}
