/**
 * Time-stepping models: how far two models drift apart when each goes on from its own outputs. Errors of one step say little about that: they may
 * die out or grow from step to step.
 */
import type { Dataset } from '../calibration/dataset.js';
import { shuffled } from '../calibration/random.js';
import { takeRows } from '../calibration/rows.js';
import { raise } from '../diagnostics/diagnostic.js';
import { optionsConflict, outputUnknown } from '../diagnostics/plan.js';
import { feedbackDoesNotFit, inputUnknown } from '../diagnostics/rollout.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { range } from '../linalg/matrix.js';
import { withSession, type Session, type SessionOptions } from '../runtime/session.js';
import {
  fedBack,
  fedColumns,
  fitted,
  float64,
  formatFeedback,
  parseFeedback,
  type Feedback,
  type FittedFeedback,
} from './feedback.js';
import { OutputComparison } from './output-comparison.js';
import type { RolloutFigures, RolloutReport } from './report-types.js';
import { runFeeds } from './row-runs.js';

/** The options that {@link rolloutOf} reads. */
export interface RolloutOptions {
  /** For models that step in time: how many times outputs are fed back, to see how the error grows. Reported, never gated. Wants `feedback`. */
  readonly rollout?: number;
  /**
   * Which output becomes which input of the next step; inputs that are not named keep their values. In the CLI's syntax
   * (`output:input`, `output+:input` for a change that is added, `rate*0.01+:state[0,2:10]`, `change+:state@scaling.npz`; see docs/rollout.md)
   * or as an object.
   */
  readonly feedback?: readonly (string | Feedback)[];
}

/** A rollout that fits a model. */
export interface Rollout {
  readonly steps: number;
  readonly feedback: readonly FittedFeedback[];
}

/** Rows that are stepped: a deterministic sample. */
const MOST_ROWS = 256;

/**
 * The rollout that the options ask for, tried on one row, so that what does not fit is said before the work.
 * @throws CondenseError for options that do not fit together, names that the model does not have, and shapes that do not fit
 */
export async function rolloutOf(
  { rollout: steps, feedback = [] }: RolloutOptions,
  model: Model,
  dataset: Dataset,
  session: SessionOptions,
): Promise<Rollout | undefined> {
  if (steps === undefined) {
    if (feedback.length > 0)
      raise(optionsConflict('--feedback belongs to --rollout', 'Leave it out, or say how many steps with --rollout.'));
    return undefined;
  }
  if (!Number.isSafeInteger(steps) || steps < 1)
    raise(optionsConflict('--rollout must be a whole number above 0', 'Give another number.'));
  if (feedback.length === 0)
    raise(
      optionsConflict(
        '--rollout needs to know what is fed back',
        'Give --feedback output:input, or output+:input where the output is a change of the input.',
      ),
    );
  const outputs = model.graph.outputs.map((o) => o.name);
  const inputs = dataset.inputs.map((i) => i.name);
  const named = feedback.map((f) => {
    if (typeof f === 'string') return parseFeedback(f, outputs, inputs);
    if (!outputs.includes(f.output)) raise(outputUnknown('--feedback', f.output, outputs));
    return inputs.includes(f.input) ? f : raise(inputUnknown('--feedback', f.input, inputs));
  });
  const feeds = runFeeds(dataset, Int32Array.of(0));
  const given = await withSession(model, session, (s) => s.run(feeds));
  const fits = named.map((f) => {
    const { rowAxis, unbatched } = dataset.inputs.find((i) => i.name === f.input)!;
    const fail = (reason: string): never => raise(feedbackDoesNotFit(formatFeedback(f), reason));
    if (rowAxis === null) return fail(`'${f.input}' is one value for all rows`);
    const output = given.get(f.output) ?? fail(`'${f.output}' is no tensor`);
    return fitted(f, output, feeds.get(f.input)!, unbatched ? undefined : rowAxis);
  });
  for (const [i, f] of fits.entries()) {
    const other = fits.slice(0, i).find((o) => o.input === f.input && o.columns.some((c) => f.columns.includes(c)));
    if (other !== undefined)
      raise(feedbackDoesNotFit(formatFeedback(f), `${formatFeedback(other)} feeds the same columns`));
  }
  return { steps, feedback: fits };
}

/** Steps that are reported: 1, 2, 4, 8, … and the last one. */
export function shownSteps(steps: number): number[] {
  const shown: number[] = [];
  for (let step = 1; step < steps; step *= 2) shown.push(step);
  return [...shown, steps];
}

/**
 * Steps two models from the same rows, each on its own outputs, and compares where they are.
 * @param batch rows per run
 */
export async function rollOut(
  { original, reduced }: { readonly original: Session; readonly reduced: Session },
  dataset: Dataset,
  rows: Int32Array,
  { steps, feedback }: Rollout,
  {
    batch,
    onSteps,
  }: { readonly batch: number; readonly onSteps?: ((done: number, total: number) => void) | undefined },
): Promise<RolloutReport> {
  const chosen = shuffled(rows.length, 5)
    .slice(0, MOST_ROWS)
    .sort()
    .map((position) => rows[position]!);
  const points = new Map(shownSteps(steps).map((step) => [step, new Point(feedback)]));
  const runs = Math.ceil(chosen.length / batch);
  for (let run = 0; run < runs; run++) {
    const part = chosen.subarray(run * batch, (run + 1) * batch);
    const start = runFeeds(dataset, part);
    const [a, b] = [new Trajectory(original, start, part.length), new Trajectory(reduced, start, part.length)];
    for (let step = 1; step <= steps; step++) {
      await a.step(feedback);
      await b.step(feedback);
      points.get(step)?.add(a, b);
      onSteps?.(run * steps + step, runs * steps);
    }
  }
  return {
    steps,
    rows: chosen.length,
    feedback: feedback.map(({ output, input, add, columns }) => ({ output, input, add, columns })),
    points: [...points].map(([step, point]) => ({ step, ...point.result() })),
  };
}

/** Some rows as one model steps them. */
class Trajectory {
  outputs: ReadonlyMap<string, NumericArray> = new Map();
  /** Whether all that was fed back for a row has been finite so far. A model may clip what is not and look sound again. */
  readonly finite: boolean[];

  /** @param feeds of the first step @param rows of them that count: the rest fills up a batch */
  constructor(
    private readonly session: Session,
    public feeds: Feeds,
    rows: number,
  ) {
    this.finite = Array.from({ length: rows }, () => true);
  }

  async step(feedback: readonly FittedFeedback[]): Promise<void> {
    this.outputs = await this.session.run(this.feeds);
    const next = new Map(this.feeds);
    for (const f of feedback) {
      const output = this.outputs.get(f.output)!;
      // From the map that is being made: another feedback may have fed other columns of the same input.
      const input = fedBack(f, output, next.get(f.input)!);
      next.set(f.input, input);
      for (const array of [output, input]) this.look(array, f.rowAxis);
    }
    this.feeds = next;
  }

  private look(array: NumericArray, rowAxis: number | undefined): void {
    const values = float64(array);
    const rows = rowAxis === undefined ? 1 : array.dims[rowAxis]!;
    const inner = rowAxis === undefined ? values.length : array.dims.slice(rowAxis + 1).reduce((p, d) => p * d, 1);
    values.forEach((value, i) => {
      const row = Math.floor(i / inner) % rows;
      if (!Number.isFinite(value) && row < this.finite.length) this.finite[row] = false;
    });
  }
}

/** What is compared after one of the steps. */
class Point {
  private rows = 0;
  private readonly nonFinite = { original: 0, reduced: 0 };
  private readonly compared: readonly {
    readonly feedback: FittedFeedback;
    readonly output: OutputComparison;
    readonly fed: OutputComparison;
  }[];

  constructor(feedback: readonly FittedFeedback[]) {
    this.compared = feedback.map((f) => ({
      feedback: f,
      output: new OutputComparison(f.output),
      fed: new OutputComparison(f.input),
    }));
  }

  /** Rows that are no longer finite in one of the models are counted and left out, so that they hide nothing of the others. */
  add(a: Trajectory, b: Trajectory): void {
    const left = range(a.finite.length).filter((row) => a.finite[row]! && b.finite[row]!);
    this.rows += left.length;
    this.nonFinite.original += a.finite.filter((f) => !f).length;
    this.nonFinite.reduced += b.finite.filter((f) => !f).length;
    if (left.length === 0) return;
    for (const { feedback, output, fed } of this.compared) {
      const { rowAxis } = feedback;
      const rowsLeft = (array: NumericArray): NumericArray =>
        rowAxis === undefined ? array : takeRows(array, rowAxis, left);
      const state = (feeds: Feeds): NumericArray => rowsLeft(fedColumns(feedback, feeds.get(feedback.input)!));
      output.add(rowsLeft(a.outputs.get(output.output)!), rowsLeft(b.outputs.get(output.output)!), left.length);
      fed.add(state(a.feeds), state(b.feeds), left.length);
    }
  }

  result(): Omit<RolloutReport['points'][number], 'step'> {
    const figures = (comparison: OutputComparison): RolloutFigures => {
      const { nrmse, maxAbs } = comparison.result();
      return this.rows === 0 ? { nrmse: null, maxAbs: null } : { nrmse, maxAbs };
    };
    return {
      rows: this.rows,
      nonFinite: this.nonFinite,
      values: this.compared.map(({ output, fed }) => ({ output: figures(output), input: figures(fed) })),
    };
  }
}
