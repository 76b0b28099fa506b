import { dataTooFewRows } from '../diagnostics/calibration.js';
import { raise } from '../diagnostics/diagnostic.js';
import type { Model } from '../graph/ir.js';
import { ScoredRows } from '../verify/score.js';
import { keepsScore, type ScoreChange } from '../verify/user-metric.js';
import type { MaxError } from './options.js';
import type { Prepared } from './prepare.js';
import { VALIDATION, type ValidationError } from './trial-rows.js';

/** Share of the loss of a score that may be used. Scores of a hundred rows scatter far more than errors do: of fifteen searches on a keyword model
 * 0.9 broke the promise in seven, this in two. */
const SCORE_MARGIN = 0.5;
/** Where a search for a score begins: models of this NRMSE are mostly as good as the original, or nearly so. */
const FIRST_NRMSE = 0.05;

/** What `--max-error` asks of a model that was made for trial, on validation rows. */
export interface Acceptance {
  /** The upper bound of the NRMSE at which the border is expected. */
  readonly nrmse: number;
  /** Whether NRMSE is what is asked for, so that its predictions say where the border is; otherwise only where to begin. */
  readonly predictable: boolean;
  /** @param error of the model on the rows of trials */
  accepts(model: Model, error: ValidationError): Promise<boolean>;
}

/**
 * The acceptance of an option. Check rows scatter about what validation rows say: what has to be within the limit is the upper bound of the error. A score
 * is taken on every validation row: that of a few is noise.
 */
export function acceptanceOf(prepared: Prepared, maxError: MaxError): Acceptance {
  if (typeof maxError === 'object') return acceptanceOfScore(prepared, maxError.score);
  return { nrmse: maxError, predictable: true, accepts: (_, { upper }) => Promise.resolve(upper <= maxError) };
}

function acceptanceOfScore({ data, judgement, original, session }: Prepared, change: ScoreChange): Acceptance {
  const metric = judgement.metric!;
  if (data.folds[VALIDATION]!.length === 0) raise(dataTooFewRows(data.fitData.rows));
  const rows = new ScoredRows(metric, data.fitData, data.folds[VALIDATION]!);
  const most = typeof change === 'number' ? change * SCORE_MARGIN : { ratio: change.ratio * SCORE_MARGIN };
  let reference: Promise<number> | undefined;
  return {
    nrmse: FIRST_NRMSE,
    predictable: false,
    accepts: async (model) => {
      reference ??= rows.outputsOf(original, data.batch, session).then((outputs) => rows.reference(outputs));
      const before = await reference;
      const after = await rows.score(await rows.outputsOf(model, data.batch, session));
      return keepsScore(after, before, most, metric.higherIsBetter);
    },
  };
}
