import { FOLDS } from '../calibration/split.js';
import type { Feeds } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import type { Outputs } from '../plan/output-error.js';
import { withSession } from '../runtime/session.js';
import { OutputComparison } from '../verify/output-comparison.js';
import { batchesOf, type CalibrationRows, type Prepared } from './prepare.js';

/** The fold that serves as validation rows while widths are chosen. */
export const VALIDATION = FOLDS - 1;
/** Validation rows that plans are tried on. */
const TRIAL_ROWS = 2048;
/** Fewer where each run of the graph takes only some rows, */
const TRIAL_RUNS = 256;
/** or where a row is dear: multiply-accumulates of the trials of all spaces at one width each. */
const TRIAL_WORK = 4e11;
const LEAST_TRIAL_ROWS = 16;

/** Validation rows that a model is measured on, where that costs no more multiply-accumulates than this: what a few rows err by much, few rows miss. */
const MEASURED_ROWS = 8192;
const MEASURED_WORK = 2e11;

/** A run over some rows. */
interface TrialBatch {
  readonly rows: number;
  readonly feeds: Feeds;
}

/** Validation rows that plans are tried on: as many as the work of all trials allows. */
export function trialBatches({ data, analysis, macs }: Prepared): TrialBatch[] {
  const affordable = Math.ceil(TRIAL_WORK / (Math.max(macs, 1) * Math.max(analysis.spaces.length, 1)));
  const most = Math.max(
    LEAST_TRIAL_ROWS,
    Math.min(TRIAL_ROWS, affordable, data.stack > 1 ? TRIAL_RUNS * data.batch : Infinity),
  );
  return validationBatches(data, most);
}

/** The first rows of the validation fold. */
function validationBatches(data: CalibrationRows, most: number): TrialBatch[] {
  const rows = data.folds[VALIDATION]!.subarray(0, most);
  const part = { ...data, folds: data.folds.map((fold, i) => (i === VALIDATION ? rows : fold)) };
  return batchesOf(part, [VALIDATION], () => 0).map(({ rows: { length }, feeds }) => ({ rows: length, feeds }));
}

/** How far a model is from the original on validation rows. */
export interface ValidationError {
  /** NRMSE of the worst output, as the check computes it; 0 where no output has one. */
  readonly nrmse: number;
  /** What it is expected to be on other rows at most, with a confidence of 95 %: more than `nrmse` where rows are few or a few err by much. */
  readonly upper: number;
}

/** Measures models against what the original computes. */
export interface ValidationRows {
  error(model: Model): Promise<ValidationError>;
}

/** One-sided 95 % quantile of the normal distribution. */
const CONFIDENCE = 1.645;

/** Runs the original on the validation rows. */
export async function validationRows(prepared: Prepared): Promise<ValidationRows> {
  const { data, macs } = prepared;
  const affordable = Math.ceil(MEASURED_WORK / Math.max(macs, 1));
  const batches = validationBatches(data, Math.max(LEAST_TRIAL_ROWS, Math.min(MEASURED_ROWS, affordable)));
  const run = (model: Model): Promise<Outputs> =>
    withSession(model, prepared.session, async (session) => {
      const outputs: Outputs[number][] = [];
      for (const { feeds } of batches) outputs.push(await session.run(feeds));
      return outputs;
    });
  const reference = await run(prepared.original);
  const compare = (name: string, candidate: Outputs): ValidationError => {
    const comparison = new OutputComparison(name);
    for (const [i, { rows }] of batches.entries())
      comparison.add(reference[i]!.get(name)!, candidate[i]!.get(name)!, rows);
    const nrmse = comparison.result().nrmse ?? 0;
    return { nrmse, upper: nrmse * Math.sqrt(1 + CONFIDENCE * relativeError(comparison.rowErrors())) };
  };
  return {
    error: async (model) => {
      const candidate = await run(model);
      const errors = [...(reference[0]?.keys() ?? [])].map((name) => compare(name, candidate));
      return {
        nrmse: errors.reduce((most, e) => Math.max(most, e.nrmse), 0),
        upper: errors.reduce((most, e) => Math.max(most, e.upper), 0),
      };
    },
  };
}

/** Standard error of the mean of squared errors, as a share of that mean. Without rows of its own, an output's error is known to half of itself. */
function relativeError(squares: Float64Array | undefined): number {
  if (squares === undefined || squares.length < 2) return 1 / 2;
  const mean = squares.reduce((sum, s) => sum + s, 0) / squares.length;
  if (mean === 0) return 0;
  const variance = squares.reduce((sum, s) => sum + (s - mean) ** 2, 0) / (squares.length - 1);
  return Math.sqrt(variance / squares.length) / mean;
}
