import { FOLDS } from '../calibration/split.js';
import type { Feeds } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { standardisedSquaredError, type Outputs } from '../plan/output-error.js';
import { withSession } from '../runtime/session.js';
import { batchesOf, type Prepared } from './prepare.js';

/** The fold that serves as validation rows while widths are chosen. */
export const VALIDATION = FOLDS - 1;
/** Validation rows that plans are tried on. */
const TRIAL_ROWS = 2048;
/** Fewer where each run of the graph takes only some rows, */
const TRIAL_RUNS = 256;
/** or where a row is dear: multiply-accumulates of the trials of all spaces at one width each. */
const TRIAL_WORK = 4e11;
const LEAST_TRIAL_ROWS = 16;

/** Validation rows that plans are tried on: as many as the work of all trials allows. */
export function trialFeeds({ data, analysis, macs }: Prepared): Feeds[] {
  const affordable = Math.ceil(TRIAL_WORK / (Math.max(macs, 1) * Math.max(analysis.spaces.length, 1)));
  const most = Math.max(
    LEAST_TRIAL_ROWS,
    Math.min(TRIAL_ROWS, affordable, data.stack > 1 ? TRIAL_RUNS * data.batch : Infinity),
  );
  const rows = data.folds[VALIDATION]!.subarray(0, most);
  const part = { ...data, folds: data.folds.map((fold, i) => (i === VALIDATION ? rows : fold)) };
  return batchesOf(part, [VALIDATION], () => 0).map((batch) => batch.feeds);
}

/** Measures models against what the original computes. */
export interface ValidationRows {
  nrmse(model: Model): Promise<number>;
}

/** Runs the original on the validation rows. */
export async function validationRows(prepared: Prepared): Promise<ValidationRows> {
  const feeds = trialFeeds(prepared);
  const run = (model: Model): Promise<Outputs> =>
    withSession(model, prepared.session, async (session) => {
      const outputs: Outputs[number][] = [];
      for (const batch of feeds) outputs.push(await session.run(batch));
      return outputs;
    });
  const reference = await run(prepared.original);
  // The root of the mean square bounds the mean of the roots, which is NRMSE.
  return { nrmse: async (model) => Math.sqrt(standardisedSquaredError(reference, await run(model))) };
}
