import { raise } from '../diagnostics/diagnostic.js';
import { optionsConflict } from '../diagnostics/plan.js';
import type { LearningOptions } from '../train/options.js';
import type { CondenseOptions } from './options.js';

/** Options that cannot hold together. @throws CondenseError */
export function checkOptions(options: CondenseOptions): void {
  const method = options.method ?? 'span';
  const { keepParams, keepMacs, size, maxError, speedup, keep, plan } = options;
  const budgeted = [keepParams, keepMacs, size, maxError, speedup].some((b) => b !== undefined);
  if (method === 'exact' && (budgeted || keep !== undefined)) {
    raise(
      optionsConflict(
        '--method exact removes all that is provably redundant and takes no budget',
        'Leave out budgets and --keep, or use --method span.',
      ),
    );
  }
  if (plan !== undefined && method !== 'span')
    raise(optionsConflict('--plan belongs to --method span', 'Leave out one of them.'));
  if (plan !== undefined && (budgeted || keep !== undefined))
    raise(optionsConflict('--plan sets every width', 'Leave out budgets and --keep, or edit the plan.'));
  if (method !== 'exact' && options.evidence !== undefined)
    raise(optionsConflict('--evidence belongs to --method exact', 'Leave it out.'));
  if (method !== 'cosine' && options.threshold !== undefined)
    raise(optionsConflict('--threshold belongs to --method cosine', 'Leave it out.'));
  if (method !== 'span' && speedup !== undefined)
    raise(optionsConflict('--speedup belongs to --method span', 'Leave out one of them, or use --keep-macs.'));
  if (speedup === undefined && options.latencyBatch !== undefined)
    raise(optionsConflict('--latency-batch belongs to --speedup', 'Leave it out.'));
  const learning = LEARNING.find(([key]) => options[key] !== undefined);
  if (options.distill === undefined && learning !== undefined)
    raise(optionsConflict(`${learning[1]} belongs to --distill`, 'Leave it out, or say how long to learn.'));
  const rounds = options.steps ?? 1;
  if (rounds > 1 && method === 'exact')
    raise(optionsConflict('--steps does not apply to --method exact', 'Leave it out.'));
  const whole = [plan, keep, speedup, maxError].some((o) => o !== undefined);
  if (rounds > 1 && (whole || (method === 'span' && !budgeted)))
    raise(
      optionsConflict(
        '--steps goes to a budget in rounds: --keep-params, --keep-macs or --size, or a --threshold of --method cosine',
        'Leave out --steps, or give one of these alone.',
      ),
    );
  if (method === 'cosine' && options.keep !== undefined)
    raise(optionsConflict('--keep does not apply to --method cosine', 'Use --threshold node=value.'));
  for (const [option, value] of [
    ['--keep-params', keepParams],
    ['--keep-macs', keepMacs],
    ['--size', size],
    ['--max-error', typeof maxError === 'number' ? maxError : undefined],
    ['--speedup', speedup],
  ] as const)
    if (value !== undefined && !(value > 0))
      raise(optionsConflict(`${option} must be above 0`, 'Give another number.'));
}

/** Options that say nothing without a training. */
const LEARNING = [
  ['trainBatch', '--train-batch'],
  ['learningRate', '--learning-rate'],
  ['weightDecay', '--weight-decay'],
  ['clip', '--clip'],
  ['seed', '--seed'],
  ['loss', '--loss'],
  ['temperature', '--temperature'],
  ['match', '--match'],
  ['augment', '--augment'],
  ['patience', '--patience'],
  ['checkpoint', '--checkpoint'],
] as const satisfies readonly (readonly [keyof LearningOptions, string])[];
