/** What is said about a log. */

import type { Sandbox } from '../api';
import type { Translate } from '../host';

/** Says why a log has ended. */
export function endSentence(reason: string, sandbox: Sandbox, t: Translate): string {
  switch (reason) {
    case 'exited':
      return sandbox.exit_code === null
        ? t('The command has exited.')
        : t('The command has exited with %1.', sandbox.exit_code);
    case 'stopped':
    case 'terminated':
      return t('The sandbox was stopped.');
    case 'paused':
      return t('The sandbox is paused.');
    case 'failed':
      return t('The sandbox has failed.');
    default:
      return t('The log ends here.');
  }
}

export function newLines(count: number, t: Translate): string {
  return count === 1 ? t('1 new line') : t('%1 new lines', count);
}

/** A name for the downloaded log: of letters that every file system takes. */
export function fileName(sandbox: Sandbox): string {
  const name = (sandbox.name ?? sandbox.short_id).replace(/[^\w.-]+/g, '_').slice(0, 80);
  return `${name || 'sandbox'}.log`;
}
