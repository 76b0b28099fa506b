import { positionsPerRow } from '../calibration/positions.js';
import { featuresOf } from '../channels/sites.js';
import { tapsOf } from '../channels/weights.js';
import { elementCount } from '../graph/tensor.js';
import type { Prepared } from './prepare.js';

/**
 * Multiply-accumulates of making one model from its statistics, roughly: the original and the reduced model run over all rows, and every consumer
 * is refitted (N samples of F features: N F² for the sums, F³ for the factorisations).
 */
export function buildWork({ analysis, data, macs }: Prepared): number {
  const rows = data.folds.reduce((sum, fold) => sum + fold.length, 0);
  let work = 2 * macs * rows;
  for (const { consumers } of analysis.spaces)
    for (const consumer of consumers) {
      const { kernel } = consumer;
      const features = kernel === undefined ? featuresOf(consumer).length : consumer.features.length * tapsOf(consumer);
      const positions = kernel === undefined ? 1 : elementCount(kernel.output);
      const samples = rows * Math.min(positions, positionsPerRow(features, rows, undefined));
      work += samples * features ** 2 + features ** 3;
    }
  return work;
}
