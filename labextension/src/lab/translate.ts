/** The UI's translation, by JupyterLab's catalogue of this extension's name. */

import type { ITranslator } from '@jupyterlab/translation';

import { untranslated, type Translate } from '../ui/host';

export const DOMAIN = 'orkee-jupyter';

export function translation(translator: ITranslator | null): Translate {
  const bundle = translator?.load(DOMAIN);
  if (bundle === undefined) {
    return untranslated;
  }
  // JupyterLab would also change what looks like a placeholder in a value: values are put in here.
  return (sentence, ...values) => {
    const places = values.map((_, index) => `%${index + 1}`);
    return untranslated(bundle.gettext(sentence, ...places), ...values);
  };
}
