import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { raise } from '../../diagnostics/diagnostic.js';
import { dataMalformed } from '../../diagnostics/calibration.js';
import type { NumericArray } from '../../graph/feeds.js';
import { decodeNpy } from './npy.js';
import type { DataFormat } from './source.js';

/**
 * The arrays of an .npz file (a zip of .npy files) by their keys.
 * @throws CondenseError when the file is no readable zip or an array in it is damaged.
 */
export function decodeNpz(bytes: Uint8Array, file: string): Map<string, NumericArray> {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (error) {
    return raise(dataMalformed(file, error instanceof Error ? error.message : 'not a zip file'), error);
  }
  const arrays = new Map<string, NumericArray>();
  for (const [entry, content] of Object.entries(entries)) {
    if (entry.endsWith('.npy')) arrays.set(entry.slice(0, -'.npy'.length), decodeNpy(content, `${file}: ${entry}`));
  }
  return arrays;
}

export const npz: DataFormat = {
  name: 'file.npz',
  description: 'NumPy arrays by input name; other keys are kept aside',
  example: '--data inputs.npz',
  matches: (spec) => spec.endsWith('.npz'),
  *open(spec) {
    yield { arrays: decodeNpz(readFileSync(spec), spec), file: spec, combine: 'append' };
  },
};
