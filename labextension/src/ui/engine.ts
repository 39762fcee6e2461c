/** What the engine's status means: its members differ from kind to kind. */

import type { Engine } from './api';
import { isObject, list, text } from './guards';
import type { Translate } from './host';

export interface Candidate {
  kind: string;
  usable: boolean;
  reason: string;
}

/** The kind of the engine in use; null for none. */
export function chosen(engine: Engine): string | null {
  return text(engine['chosen']);
}

export function candidates(engine: Engine): Candidate[] {
  return list(engine['candidates'], (each) => {
    const kind = isObject(each) ? text(each['kind']) : null;
    return !isObject(each) || kind === null
      ? null
      : { kind, usable: each['usable'] === true, reason: text(each['reason']) ?? '' };
  });
}

/** The state of the native engine, where that is the one in use; null for others. */
export function nativeState(engine: Engine): string | null {
  const native = engine['native'];
  return chosen(engine) === 'native' && isObject(native) ? text(native['state']) : null;
}

/** A name for people. */
export function engineName(kind: string, t: Translate): string {
  const names: Record<string, string> = {
    native: t('Native engine'),
    docker: t('Docker'),
    podman: t('Podman'),
    configured: t('The configured engine')
  };
  return names[kind] ?? kind;
}

/** One sentence or two for an engine that cannot be used now; null where all is well. */
export function engineTrouble(engine: Engine, t: Translate): string | null {
  if (chosen(engine) === null && 'chosen' in engine) {
    return t('There is no engine to run sandboxes with. It can be set up here.');
  }
  switch (nativeState(engine)) {
    case 'silent':
      return t('The engine does not answer. New sandboxes have to wait for it.');
    case 'failed':
      return t('The engine has failed. The next new sandbox starts it again.');
    default:
      return null;
  }
}

/** Its health as a word. */
export function health(engine: Engine, t: Translate): string {
  if (chosen(engine) === null) {
    return t('none');
  }
  const words: Record<string, string> = {
    ready: t('running'),
    starting: t('starting'),
    stopping: t('stopping'),
    stopped: t('not running; the first sandbox starts it'),
    failed: t('failed; the next sandbox starts it again'),
    silent: t('does not answer')
  };
  const state = nativeState(engine);
  if (state !== null) {
    return words[state] ?? state;
  }
  return engine['session'] ? t('connected') : t('ready; the first sandbox connects');
}
