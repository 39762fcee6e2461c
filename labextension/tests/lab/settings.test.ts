import { describe, expect, it } from 'vitest';

import schema from '../../schema/plugin.json';
import { DEFAULT_SETTINGS, settingsOf } from '../../src/lab/settings';

describe('settings', () => {
  it('have the defaults that the schema shows', () => {
    const shown = Object.entries(schema.properties).map(([name, each]) => [name, each.default]);
    expect(Object.fromEntries(shown)).toEqual(DEFAULT_SETTINGS);
    expect(settingsOf({})).toEqual(DEFAULT_SETTINGS);
  });

  it('are read', () => {
    const set = { side: 'right', rank: 3, open: false, template: ' node ', lifetime: '2h' };
    const more = { sort: 'cpu', timestamps: true, history: true };
    expect(settingsOf({ ...set, ...more })).toEqual({ ...set, ...more, template: 'node' });
  });

  it('are the defaults where what is set does not fit', () => {
    const wrong = { side: 'top', rank: 'high', open: 1, template: 7, sort: 'size', history: 'yes' };
    expect(settingsOf(wrong)).toEqual(DEFAULT_SETTINGS);
  });
});
