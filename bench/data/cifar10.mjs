import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeNpz } from '../../dist/src/calibration/sources/npz.js';
import { COLLECTION } from './raw-images.mjs';

/** Rows `from` to `to` of the calibration images that the residual networks share, one at a time. */
export function* cifarRows(from, to) {
  const file = path.join(COLLECTION, 'data/cifar10/calib.npz');
  for (const [name, { dims, data }] of decodeNpz(readFileSync(file), file)) {
    const size = data.length / dims[0];
    for (let row = from; row < to; row++)
      yield { [name]: { dims: [1, ...dims.slice(1)], data: data.slice(row * size, (row + 1) * size) } };
  }
}
