import type { Augmentation } from './augmentation.js';

/** How the error of outputs counts; `auto`: `kl` for class scores, else `squared`. */
export type LossChoice = 'auto' | 'squared' | 'huber' | 'kl';

/** The default of `seed`. */
export const DEFAULT_SEED = 1;

/** How a student learns from its teacher. Every one has the same meaning as the CLI option of that name. */
export interface LearningOptions {
  /** Rows of a step. Default 256, or fewer where the values of a run take much memory; of a graph with a fixed batch as many whole runs as fit in, one at least. */
  readonly trainBatch?: number;
  /** Largest learning rate: it rises to it at first, then falls to 0 along half a cosine. Found by a short range test when absent. */
  readonly learningRate?: number;
  /** Share of a weight of a layer (not of a bias, scale or slope) that is taken away in each step, times the rate. Default 0. */
  readonly weightDecay?: number;
  /** Gradients with a larger norm are scaled down to it. Default 1. */
  readonly clip?: number;
  /** Decides the order of the rows and how they are changed. Default 1. */
  readonly seed?: number;
  /**
   * How errors count: squared over the output's variance, the same with tails that count less (`huber`), or for class scores the divergence of
   * the distributions (`kl`). Default `auto`.
   */
  readonly loss?: LossChoice;
  /** What class scores are divided by before they become distributions. Default 3. */
  readonly temperature?: number;
  /** What values inside count beside the outputs: those of layers, and of sums of computed values, that have the same shape in both models. Default 0: nothing. */
  readonly match?: number;
  /** Lets the teacher judge changed rows as well. */
  readonly augment?: Augmentation;
  /** Ends training when that many looks at the validation rows (25 in all) have found nothing better. Default: it goes on. */
  readonly patience?: number;
  /** A folder for the state of the training, from which the same command goes on where it was cut off. */
  readonly checkpoint?: string;
  /** Ends training early: what was best so far is kept and checked. In a round of `steps` before the last it ends the run, with an error. */
  readonly signal?: AbortSignal;
}
