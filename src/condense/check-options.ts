import { raise } from '../diagnostics/diagnostic.js';
import { optionsConflict } from '../diagnostics/plan.js';
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
