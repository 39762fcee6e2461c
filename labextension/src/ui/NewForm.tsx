/** New Sandbox: a click on a template creates one; the options are folded. */

import type { ButtonHTMLAttributes } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { problemOf } from './actions';
import type { CreateRequest, Problem, Template } from './api';
import { usePage } from './core';
import { EMPTY, fieldOf, fieldsOf, isProblem, requestOf, type Fields } from './form';
import { FormFields } from './FormFields';
import { Button } from './parts/Button';
import { Icon, templateIcon } from './parts/Icon';
import { below, LEFT_RIGHT, step, UP_DOWN } from './parts/keys';
import { ProblemBox } from './parts/ProblemBox';
import { preferences } from './preferences';
import { Title } from './Title';
import { tracked } from './signals';

interface NewFormProps {
  request: Partial<CreateRequest>;
  options: boolean;
}

export const NewForm = tracked(function NewForm(props: NewFormProps) {
  const page = usePage();
  const { actions, host } = page;
  const { t } = host;
  const known = actions.templates.value;
  const [options, setOptions] = useState(props.options);
  const [fields, setFields] = useState<Fields>(() => fieldsOf(props.request));
  const [chosen, choose] = useState(props.request.template ?? preferences.value.template);
  const [busy, setBusy] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const root = useRef<HTMLFormElement>(null);
  const optionsId = useId();
  const list = known?.list ?? [];
  const template = list.find((each) => each.name === chosen) ?? list[0];
  useEffect(() => void actions.loadTemplates(), []);
  useEffect(() => {
    root.current?.querySelector<HTMLElement>('[data-orkee-first]')?.focus();
  }, [known === null]);

  const create = async (name: string) => {
    const { lifetime } = preferences.value;
    const request = requestOf(name, options ? fields : EMPTY, t);
    if (busy !== null) {
      return;
    }
    if (isProblem(request)) {
      setProblem(request);
      return;
    }
    setBusy(name);
    setProblem(null);
    try {
      const sandbox = await actions.create(lifetime ? { ttl: lifetime, ...request } : request);
      page.home(sandbox.id);
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(null);
    }
  };
  const wrong = problem === null ? null : fieldOf(problem);
  useEffect(() => {
    if (wrong !== null) {
      setOptions(true);
    }
  }, [wrong]);
  return (
    <form
      class="orkee-form"
      ref={root}
      aria-busy={busy !== null}
      onSubmit={(event) => {
        event.preventDefault();
        if (template !== undefined) {
          void create(template.name);
        }
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented) {
          page.home('new');
        }
      }}
    >
      <Title back={() => page.home('new')}>{t('New Sandbox')}</Title>
      <p class="orkee-hint" id={`${optionsId}-hint`}>
        {options ? t('Choose a template:') : t('Click a template to create a sandbox from it.')}
      </p>
      {known === null && actions.templatesProblem.value !== null && (
        <ProblemBox problem={actions.templatesProblem.value}>
          <Button icon="refresh" onClick={() => void actions.loadTemplates()}>
            {t('Try again')}
          </Button>
        </ProblemBox>
      )}
      {known === null && actions.templatesProblem.value === null && (
        <p class="orkee-hint">{t('Reading the templates…')}</p>
      )}
      <div
        class="orkee-cards"
        role={options ? 'radiogroup' : 'group'}
        aria-labelledby={`${optionsId}-hint`}
        onKeyDown={(event) => {
          const index = step(event, below(event, '.orkee-card'), [...UP_DOWN, ...LEFT_RIGHT]);
          choose(list[index ?? -1]?.name ?? chosen);
        }}
      >
        {list.map((each) => (
          <Card
            key={each.name}
            template={each}
            first={each === template}
            checked={options ? each === template : null}
            busy={busy === each.name}
            onClick={() => (options ? choose(each.name) : void create(each.name))}
          />
        ))}
      </div>
      {known?.problems.map((each) => <ProblemBox key={each.detail} problem={each} />)}
      {problem !== null && wrong === null && <ProblemBox problem={problem} />}
      <button
        type="button"
        class="orkee-fold"
        aria-expanded={options}
        aria-controls={optionsId}
        onClick={() => setOptions(!options)}
      >
        <Icon name={options ? 'down' : 'right'} />
        {t('Options')}
      </button>
      <div id={optionsId} hidden={!options}>
        {options && (
          <>
            <FormFields
              fields={fields}
              template={template}
              problem={problem}
              wrong={wrong}
              set={(key, value) => setFields({ ...fields, [key]: value })}
            />
            <div class="orkee-buttons">
              <Button type="submit" look="main" disabled={busy !== null}>
                {busy === null ? t('Create') : t('Creating…')}
              </Button>
              <Button onClick={() => page.home('new')}>{t('Cancel')}</Button>
            </div>
          </>
        )}
      </div>
    </form>
  );
});

interface CardProps {
  template: Template;
  /** Whether the focus comes here. */
  first: boolean;
  /** Of one that is chosen, not clicked to create; null: a click creates. */
  checked: boolean | null;
  busy: boolean;
  onClick(): void;
}

function Card({ template, first, checked, busy, onClick }: CardProps) {
  const { t } = usePage().host;
  const said = template.description || template.image;
  const choice: ButtonHTMLAttributes<HTMLButtonElement> =
    checked === null
      ? { 'aria-label': t('Create a sandbox from %1. %2', template.name, said) }
      : { role: 'radio', 'aria-checked': checked, tabIndex: checked ? 0 : -1 };
  return (
    <button
      type="button"
      class="orkee-card"
      data-orkee-first={first ? '' : undefined}
      data-orkee-template={template.name}
      title={template.image}
      onClick={onClick}
      {...choice}
    >
      <Icon name={templateIcon(template.name, template.image)} />
      <span class="orkee-card-words">
        <span class="orkee-card-name">{template.name}</span>{' '}
        <span class="orkee-dim">{busy ? t('Creating…') : said}</span>
      </span>
    </button>
  );
}
