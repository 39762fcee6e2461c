// @vitest-environment happy-dom
import { expect, it, vi } from 'vitest';

import { answerDashboards, QUESTION } from '../../src/lab/answer';
import { untranslated, type Host } from '../../src/ui/host';

const host: Host = {
  place: 'panel',
  t: untranslated,
  hostname: 'localhost',
  open: () => undefined,
  copy: () => Promise.resolve(),
  save: () => undefined,
  openTerminal: () => Promise.resolve()
};

const ask = (detail: unknown): void => {
  const element = document.body.appendChild(document.createElement('div'));
  element.dispatchEvent(new CustomEvent(QUESTION, { bubbles: true, detail }));
};

it('lends a dashboard in the page what only JupyterLab can do, and nothing that is not there', () => {
  const stop = answerDashboards(host);
  const accept = vi.fn();
  ask({ accept });
  stop();
  expect(accept.mock.calls).toEqual([[{ openTerminal: host.openTerminal }]]);
});

it('leaves events alone that are no question, and answers no more once it was ended', () => {
  const stop = answerDashboards(host);
  ask(null);
  ask({ accept: 'text' });
  stop();
  const accept = vi.fn();
  ask({ accept });
  expect(accept).not.toHaveBeenCalled();
});
