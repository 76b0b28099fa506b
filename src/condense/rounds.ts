/** Reducing in rounds: a part of the way, refit, training, statistics anew, and on. */
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import path from 'node:path';
import type { TrainingLength } from '../train/schedule.js';
import { encodedBytes } from './budget.js';
import type { CondenseOptions } from './options.js';

/** What a model costs before the first round. */
interface Costs {
  readonly parameters: number;
  readonly macs: number;
  readonly bytes: number;
}

export function costsOf(model: Model, macs: number): Costs {
  return { parameters: parameterCount(model), macs, bytes: encodedBytes(model) };
}

/**
 * The options of one of several rounds: budgets in equal ratios, so that each round takes away the same share of what is there, and an equal part of
 * the training.
 * @param round from 1
 */
export function optionsOfRound(options: CondenseOptions, round: number, costs: Costs): CondenseOptions {
  const { steps: rounds = 1, keepParams, keepMacs, size, distill, checkpoint } = options;
  const between = (full: number, target: number): number =>
    Math.max(1.5, full * (Math.min(target, full) / full) ** (round / rounds));
  const counted = (asked: number, full: number): number => (asked <= 1 ? Math.floor(asked * full) : asked);
  return {
    ...options,
    ...(keepParams === undefined
      ? {}
      : { keepParams: between(costs.parameters, counted(keepParams, costs.parameters)) }),
    ...(keepMacs === undefined ? {} : { keepMacs: between(costs.macs, counted(keepMacs, costs.macs)) }),
    ...(size === undefined ? {} : { size: between(costs.bytes, size) }),
    ...(distill === undefined ? {} : { distill: partOf(distill, rounds) }),
    ...(checkpoint === undefined ? {} : { checkpoint: path.join(checkpoint, `round-${round}`) }),
  };
}

function partOf(length: TrainingLength, rounds: number): TrainingLength {
  if ('steps' in length) return { steps: Math.max(1, Math.round(length.steps / rounds)) };
  return 'epochs' in length ? { epochs: length.epochs / rounds } : { minutes: length.minutes / rounds };
}
