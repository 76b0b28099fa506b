import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeNpz } from '../../dist/src/calibration/sources/npz.js';

/** The collection of models beside the checkout. */
export const COLLECTION = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../shared/models');

/** The entries of the collection's index, or none where it is missing. */
export function collectionEntries() {
  const index = path.join(COLLECTION, 'index.json');
  return existsSync(index) ? JSON.parse(readFileSync(index, 'utf8')).models : [];
}

/**
 * Feeds of a file of uint8 images of the collection (rows, height, width, RGB), prepared as its entry says: x = (raw · scale − mean) / std per
 * channel, rows last or channels first. One row at a time, so that no second copy of all of them is held.
 */
export function* rawImages({ file, preprocess }) {
  const { input, scale = 1, mean = [0, 0, 0], std = [1, 1, 1], layout = 'NCHW', ...others } = preprocess;
  // Crops, pads and channel orders are not needed by any model that this is used for: better to stop than to feed something else.
  if (Object.keys(others).length > 0) throw new Error(`${file}: preprocessing is not known: ${Object.keys(others)}`);
  const { data, dims } = decodeNpz(readFileSync(path.join(COLLECTION, file)), file).get('raw');
  const [rows, height, width, channels] = dims;
  const size = height * width * channels;
  for (let row = 0; row < rows; row++) {
    const values = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const channel = i % channels;
      const target = layout === 'NHWC' ? i : channel * height * width + Math.floor(i / channels);
      values[target] = (data[row * size + i] * scale - mean[channel]) / std[channel];
    }
    const shape = layout === 'NHWC' ? [height, width, channels] : [channels, height, width];
    yield { [input]: { dims: [1, ...shape], data: values } };
  }
}

/** What `--data` of one part of an entry is: its own file, or the module beside this one that prepares its images. */
export function dataOf(entry, part) {
  const { file, preprocess } = entry[part];
  if (preprocess === undefined) return path.join(COLLECTION, file);
  return fileURLToPath(new URL(`${entry.name}-${part}.mjs`, import.meta.url));
}
