import { FOLDS } from '../calibration/split.js';
import { correctCurves, type Trial } from '../plan/corrected-curves.js';
import { filled, movesFrom } from '../plan/moves.js';
import type { WidthCost } from '../plan/cost.js';
import { smallestWidths, usedShare, type Limit } from '../plan/limits.js';
import { Planner, stepsOf, type Rounding } from '../plan/planner.js';
import type { WidthCurve } from '../plan/search.js';
import type { Acceptance } from './acceptance.js';
import { buildWork } from './build-work.js';
import type { Prepared } from './prepare.js';
import type { SpanModel } from './span-model.js';
import { VALIDATION, validationRows, type ValidationRows } from './trial-rows.js';

/** Models that the closed loop of `--max-error` makes at least, where they are cheap more. */
const LEAST_LOOPS = 8;
const MOST_LOOPS = 20;
/** It ends when the largest size that failed and the smallest that passed are this near, and tries none nearer than this to them. */
const NEAR = 1.02;
const SAVING = 1.03;
/** Models that a search may make, and multiply-accumulates of making them all. */
const MOST_TRIALS = 24;
const TRIAL_WORK = 2e12;
/** Fewer are not worth the first. */
const LEAST_TRIALS = 4;
/** With fewer validation rows the best of many models is the one that happens to suit them. */
const LEAST_TRIAL_ROWS = 512;
/** Relative difference of widths below which two plans are the same for a trial: which channels are chosen changes the error by more. */
const ALIKE = 0.08;

/** All folds but the validation rows. */
const TRAINING = Array.from({ length: FOLDS }, (_, f) => f).filter((f) => f !== VALIDATION);

/** A model that was made for trial, and whether it is within what was asked for. */
type Attempt = Trial & { readonly nrmse: number; readonly accepted: boolean };

/** Widths, with the NRMSE that a model with them has on validation rows where one was made. */
export interface Found {
  readonly widths: Int32Array;
  readonly error?: number;
}

/** Searches for the best widths: by predicted errors first, then by models that are really made from the training rows and measured on the validation rows. */
export class WidthSearch {
  private validation: Promise<ValidationRows> | undefined;

  private constructor(
    private readonly span: SpanModel,
    private readonly cost: WidthCost,
    /** Predicted error by width, by space. */
    readonly curves: readonly WidthCurve[],
    /** By space: widths are multiples of it, or full. */
    readonly steps: readonly number[],
    /** Models that may be made for one search. */
    private readonly trials: number,
  ) {}

  /**
   * Measures what the width of each space does to the outputs.
   * @param fixed widths that are set, by space
   * @param roundTo how widths of convolutions are rounded
   * @param trials models that may be made for one search; as many as their cost allows when undefined
   */
  static async open(
    span: SpanModel,
    cost: WidthCost,
    fixed: ReadonlyMap<number, number>,
    roundTo: Rounding,
    trials?: number,
  ): Promise<WidthSearch> {
    const curves = (await span.curves()).map((curve, i) => pinned(curve, fixed.get(i)));
    const steps = stepsOf(span.prepared.analysis, curves, roundTo);
    return new WidthSearch(span, cost, curves, steps, trials ?? affordableTrials(span.prepared));
  }

  /** Predicted NRMSE. */
  predicted(widths: ArrayLike<number>): number {
    return this.planner([]).predicted(widths);
  }

  /** The smallest widths there are. */
  smallestWidths(): Int32Array {
    return Int32Array.from(smallestWidths(this.curves));
  }

  /** Parameters of the smallest model there is. */
  smallestSize(): number {
    return this.cost.parameters(this.smallestWidths());
  }

  /** The widths with the smallest predicted error within the limits. @throws CondenseError where there are none */
  planned(limits: readonly Limit[]): Int32Array {
    return this.planner(limits).plan();
  }

  /**
   * The widths with the smallest error within the limits. Where models are cheap to make, channels are moved between spaces as long as that
   * helps.
   * @throws CondenseError where there are none
   */
  async best(limits: readonly Limit[]): Promise<Found> {
    let widths: Int32Array | undefined = this.planned(limits);
    if (this.trials === 0) return { widths };
    const trials: Attempt[] = [];
    for (let left = this.trials; left > 0 && widths !== undefined; left--) {
      trials.push(await this.measured(widths));
      widths = this.promising(trials, best(trials), limits);
    }
    return found(best(trials));
  }

  /**
   * The closed loop of `--max-error`: the fewest parameters with which a model is accepted on validation rows.
   * @throws CondenseError where no widths are within the other limits
   */
  async smallest(wanted: Acceptance, limits: readonly Limit[]): Promise<Found> {
    const { cost } = this;
    const full = cost.parameters(this.curves.map((curve) => curve.size));
    const atMost = (ratio: number): Limit[] => {
      const most = Math.max(smallest, Math.round(ratio * full));
      return [...limits, { option: '--max-error', unit: 'parameters', most, full, cost: (w) => cost.parameters(w) }];
    };
    const smallest = this.smallestSize();
    // Ratios at which models failed and passed. Where to try next between them says the prediction, corrected by every model made; for what
    // is not predicted, the middle.
    let [low, high] = [smallest / full, 1];
    const trials: Trial[] = [];
    let passed: Attempt | undefined;
    const tryOut = async (widths: Int32Array): Promise<boolean> => {
      const trial = await this.measured(widths, wanted);
      trials.push(trial);
      if (trial.accepted) passed = trial;
      return trial.accepted;
    };
    const loops = Math.max(LEAST_LOOPS, Math.min(MOST_LOOPS, affordable(this.span.prepared)));
    while (trials.length < loops && low * NEAR < high) {
      const predicted = wanted.predictable || trials.length === 0;
      const ratio = predicted ? this.predictedRatio(wanted.nrmse, trials, atMost, low, high) : Math.sqrt(low * high);
      if (await tryOut(this.planner(atMost(ratio), trials).plan())) high = ratio;
      else low = ratio;
    }
    if (passed === undefined) return { widths: this.planner(atMost(high), trials).plan() };
    // Moves between spaces may still save a little at a time. What was not predicted may be met by luck, the more often the more models are tried.
    while (wanted.predictable && trials.length < this.trials) {
      const less = atMost(cost.parameters(passed.widths) / full / SAVING);
      const widths = this.promising(trials, passed, less);
      if (widths === undefined) break;
      await tryOut(widths);
    }
    return found(passed);
  }

  /** The smallest ratio between two at which the planned model is predicted to be within the bound, at some distance from both. */
  private predictedRatio(
    bound: number,
    trials: readonly Trial[],
    atMost: (ratio: number) => readonly Limit[],
    low: number,
    high: number,
  ): number {
    let [above, below] = [low, high];
    while (above * NEAR < below) {
      const ratio = Math.sqrt(above * below);
      const planner = this.planner(atMost(ratio), trials);
      if (planner.predicted(planner.plan()) > bound) above = ratio;
      else below = ratio;
    }
    const middle = Math.sqrt(low * high);
    return Math.min(Math.max(below, Math.min(low * SAVING, middle)), Math.max(high / SAVING, middle));
  }

  /** The widths to try next: the plan by the corrected curves, or else the most promising move from a trial. */
  private promising(trials: readonly Trial[], from: Trial, limits: readonly Limit[]): Int32Array | undefined {
    const planner = this.planner(limits, trials);
    const untried = (w: Int32Array): boolean => trials.every(({ widths }) => !alike(w, widths));
    const planned = planner.plan();
    if (untried(planned)) return planned;
    const used = usedShare(limits);
    const options = { steps: this.steps, bounds: this.curves, fits: (w: ArrayLike<number>) => used(w) <= 1 };
    const moves = movesFrom(Int32Array.from(from.widths), options).map((move) => ({
      move,
      error: planner.predicted(move),
    }));
    for (const { move } of moves.sort((a, b) => a.error - b.error)) {
      const widths = filled(move, options);
      if (untried(widths)) return widths;
    }
    return undefined;
  }

  /** The squared error on validation rows (where predictions lead to a limit on it: its upper bound) of the model that is made from the training rows. */
  private async measured(widths: Int32Array, wanted?: Acceptance): Promise<Attempt> {
    this.validation ??= validationRows(this.span.prepared);
    const validation = await this.validation;
    const built = await this.span.build(widths, TRAINING);
    if (built === undefined) return { widths, error: 0, nrmse: 0, accepted: true };
    const error = await validation.error(built.model);
    const { nrmse, upper } = error;
    return {
      widths,
      error: (wanted?.predictable === true ? upper : nrmse) ** 2,
      nrmse,
      accepted: wanted === undefined || (await wanted.accepts(built.model, error)),
    };
  }

  /** @param trials models that were made: predictions fit them */
  private planner(limits: readonly Limit[], trials: readonly Trial[] = []): Planner {
    return new Planner(correctCurves(this.curves, trials), this.steps, limits);
  }
}

/** Models that may be made without taking long. */
function affordable(prepared: Prepared): number {
  return Math.floor(TRIAL_WORK / buildWork(prepared));
}

/** Models that are worth making for one search; 0 where a few would not help. */
function affordableTrials(prepared: Prepared): number {
  if (prepared.data.folds[VALIDATION]!.length < LEAST_TRIAL_ROWS) return 0;
  const trials = Math.min(MOST_TRIALS, affordable(prepared));
  return trials < LEAST_TRIALS ? 0 : trials;
}

function best<T extends Trial>(trials: readonly T[]): T {
  return trials.reduce((least, trial) => (trial.error < least.error ? trial : least));
}

function found({ widths, nrmse }: Attempt): Found {
  return { widths: Int32Array.from(widths), error: nrmse };
}

/** Whether two plans are the same for a trial. */
function alike(a: Int32Array, b: ArrayLike<number>): boolean {
  return a.every((width, i) => Math.abs(width - b[i]!) <= ALIKE * b[i]!);
}

/** A curve that allows one width only. */
function pinned(curve: WidthCurve, width: number | undefined): WidthCurve {
  return width === undefined ? curve : { ...curve, size: width, minimum: width };
}
