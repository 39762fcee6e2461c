import { expect, it } from 'vitest';

import { viewOf } from '../../src/lab/memory';

it.each([
  [{ id: 'ab', tab: 'logs' }, { kind: 'sandbox', id: 'ab', tab: 'logs' }],
  [{ id: 'ab', tab: 'gone' }, { kind: 'sandbox', id: 'ab', tab: 'overview' }],
  [{}, null],
  [undefined, null],
  [{ id: 7 }, null]
])('what a workspace keeps, %j, is shown again as %j', (kept, view) => {
  expect(viewOf(kept)).toEqual(view);
});
