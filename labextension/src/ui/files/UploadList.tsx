/** The files on their way, and what became of those that did not arrive. */

import type { JSX } from 'preact';
import type { Translate } from '../host';
import { Button } from '../parts/Button';
import { visible } from './names';
import type { Upload, Uploads } from './uploads';

/** Lines for files; of more, their number. */
const MOST_LINES = 8;

export function UploadList({ uploads, t }: { uploads: Uploads; t: Translate }): JSX.Element | null {
  const { items } = uploads;
  if (items.length === 0) {
    return null;
  }
  const shown = [...items].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_LINES);
  return (
    <ul class="orkee-files-uploads" aria-label={t('Uploads')}>
      {shown.map((item) => (
        <li key={item.key}>
          <bdi class="orkee-files-name">{visible(item.path)}</bdi>
          <State {...{ item, uploads, t }} />
        </li>
      ))}
      {items.length > shown.length && <li>{t('and %1 more', items.length - shown.length)}</li>}
    </ul>
  );
}

function State({ item, uploads, t }: { item: Upload; uploads: Uploads; t: Translate }): JSX.Element {
  const name = visible(item.path);
  switch (item.state) {
    case 'sending':
      return (
        <progress
          aria-label={t('Upload of %1', name)}
          max={Math.max(1, item.data.size)}
          value={item.sent}
        />
      );
    case 'exists':
      return (
        <>
          <span role="alert">{t('is there already')}</span>
          <Button label={t('Replace %1', name)} look="normal" onClick={() => uploads.replace(item)}>
            {t('Replace')}
          </Button>
          <Button label={t('Skip %1', name)} look="normal" onClick={() => uploads.drop(item)}>
            {t('Skip')}
          </Button>
        </>
      );
    case 'failed':
      return (
        <>
          <span role="alert">
            {item.problem?.detail} {item.problem?.remedy}
          </span>
          <Button look="normal" onClick={() => uploads.drop(item)}>
            {t('Dismiss')}
          </Button>
        </>
      );
    default:
      return (
        <Button label={t('Do not upload %1', name)} look="normal" onClick={() => uploads.drop(item)}>
          {t('Cancel')}
        </Button>
      );
  }
}

function rank({ state }: Upload): number {
  return ['exists', 'failed', 'sending', 'waiting'].indexOf(state);
}
