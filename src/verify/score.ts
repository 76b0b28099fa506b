/** The score that a user's metric gives a model on some rows. */
import type { Dataset } from '../calibration/dataset.js';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { metricFailed } from '../diagnostics/verify.js';
import type { Model } from '../graph/ir.js';
import { withSession, type SessionOptions } from '../runtime/session.js';
import { CollectedOutputs, collectedFeeds, collectedLabels } from './collected-rows.js';
import { firstRows, runFeeds } from './row-runs.js';
import type { Metric, MetricArray, MetricArrays } from './user-metric.js';

/** Rows with what a metric is given of them besides the outputs. */
export class ScoredRows {
  private readonly feeds: MetricArrays;
  private readonly labels: MetricArrays;

  constructor(
    private readonly metric: Metric,
    private readonly dataset: Dataset,
    private readonly rows: Int32Array,
  ) {
    this.feeds = collectedFeeds(dataset, rows);
    this.labels = collectedLabels(dataset, rows);
  }

  /**
   * The score of these outputs for all the rows; null where it is not finite because they are not.
   * @throws CondenseError that names the metric's file when it throws, or returns something that is no finite number
   */
  async score(outputs: CollectedOutputs): Promise<number | null> {
    const arrays = outputs.arrays();
    const fail = (reason: string, cause?: unknown): never => raise(metricFailed(this.metric.where, reason), cause);
    let score: unknown;
    try {
      score = await this.metric.score(arrays, this.feeds, this.labels);
    } catch (error) {
      if (error instanceof CondenseError) throw error;
      const bare = Object.keys(this.labels).length === 0 ? '; the rows come without labels' : '';
      return fail(`score() threw: ${error instanceof Error ? error.message : String(error)}${bare}`, error);
    }
    if (typeof score !== 'number') return fail(`score() returned ${described(score)}`);
    if (Number.isFinite(score)) return score;
    return Object.values(arrays).some(isNotFinite) ? null : fail(`score() returned ${score}`);
  }

  /** The same for the model that a reduced one is compared with: its score is a number. */
  async reference(outputs: CollectedOutputs): Promise<number> {
    return (
      (await this.score(outputs)) ?? raise(metricFailed(this.metric.where, 'the original model has no finite score'))
    );
  }

  /** Runs a model on the rows. @param batch rows per run */
  async outputsOf(model: Model, batch: number, options: SessionOptions): Promise<CollectedOutputs> {
    const outputs = new CollectedOutputs(this.dataset, Math.min(batch, this.rows.length));
    await withSession(model, options, async (session) => {
      for (let start = 0; start < this.rows.length; start += batch) {
        const part = this.rows.subarray(start, Math.min(start + batch, this.rows.length));
        outputs.add(firstRows(await session.run(runFeeds(this.dataset, part)), part.length, this.dataset));
      }
    });
    return outputs;
  }
}

function described(value: unknown): string {
  return value === undefined ? 'nothing' : value === null ? 'null' : `a ${typeof value}`;
}

function isNotFinite({ data }: MetricArray): boolean {
  return (data instanceof Float32Array || data instanceof Float64Array) && data.some((v) => !Number.isFinite(v));
}
