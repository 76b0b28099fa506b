import { expect, it } from 'vitest';
import { nearest } from '../../src/cli/nearest.js';

it.each([
  ['keepParam', 'keepParams'],
  ['kepmacs', 'keepMacs'],
  ['tolerence', 'tolerance'],
  ['zzz', undefined],
  ['', undefined],
])('%s is most like %s', (name, found) => {
  expect(nearest(name, ['keepParams', 'keepMacs', 'tolerance', 'size'])).toBe(found);
});
