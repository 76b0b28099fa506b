/** The loop of a training: steps, looks at validation rows, the best weights by them, and what is done where it goes astray. */
import type { TrainingState } from './checkpoint.js';
import type { Learner } from './learner.js';
import { bestRate, rangeTest, type RangePoint } from './range-test.js';
import type { RowOrder } from './row-order.js';
import { Progress, rateAt, type TrainingLength } from './schedule.js';

export interface LoopOptions {
  readonly length: TrainingLength;
  /** Largest learning rate; found by a range test when absent. */
  readonly rate?: number | undefined;
  /** Looks at validation rows without a better loss after which training ends. */
  readonly patience?: number | undefined;
  /** Ends the training after the step that it is at. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (now: TrainingMoment) => void;
  /** Told of each rate that the range test tries. */
  readonly onRate?: (rate: number) => void;
}

/** Where a training is. */
export interface TrainingMoment {
  readonly step: number;
  /** Steps in all, as far as can be told. */
  readonly steps: number;
  readonly loss: number;
  /** Least loss on validation rows so far. */
  readonly best: number;
  readonly rate: number;
  readonly secondsLeft: number;
}

/** The loss as training went on: means of the steps since the last point, and of the validation rows. */
export interface LossPoint {
  readonly step: number;
  readonly training: number;
  readonly validation: number;
  readonly rate: number;
}

/** Why a training ended. */
export type TrainingEnd = 'length' | 'patience' | 'interrupted' | 'diverged';

/** How often validation rows are looked at. */
const CHECKS = 25;
/** Share of the training that each rate of the range test gets, and bounds of its steps. */
const RANGE_SHARE = 1 / 100;
const RANGE_STEPS = [10, 200] as const;
/** Share of the time that the range test may take before it tries no further rate. */
const RANGE_TIME = 0.2;
/** How often training may go astray and start again from its best weights at half the rate. */
const MOST_SETBACKS = 5;
/** By how much the loss on validation rows may have grown when half of the training is over, and what share of the rate the other half gets otherwise. */
const MUCH_WORSE = 2;
const HALFWAY_RATE = 0.25;

/** What is told in the end, and kept in a checkpoint on the way. */
interface TrainingRecord {
  readonly curve: LossPoint[];
  readonly rangeTest: readonly RangePoint[];
  /** Looks at validation rows since the best one. */
  idle: number;
  end?: TrainingEnd;
}

/** One training: where it is, and how it goes on. */
export class TrainingLoop {
  record: TrainingRecord = { curve: [], rangeTest: [], idle: 0 };
  best: { step: number; loss: number; weights: readonly Float32Array[] };
  step = 0;
  rate = 0;
  private setbacks = 0;

  constructor(
    private readonly learner: Learner,
    private readonly order: RowOrder,
    private readonly variants: number,
    private readonly validation: Int32Array,
    private readonly options: LoopOptions,
  ) {
    this.best = { step: 0, loss: Infinity, weights: learner.weights.map((w) => w.slice()) };
  }

  /** @param from a state to go on from */
  async go(from: TrainingState | undefined, save: (state: TrainingState) => Promise<void>): Promise<void> {
    const length = this.lengthInSteps();
    // Minutes are those of all that is done, the range test with it.
    const progress = new Progress(length, from?.seconds);
    if (from === undefined) await this.start(length);
    else this.restore(from);
    if (this.record.end !== undefined) return;
    progress.begin(this.step);
    let [sum, count] = [0, 0];
    // Rounding must not move a look by a step.
    const looks = (): number => Math.floor(progress.done(this.step) * CHECKS + 1e-9);
    let looked = looks();
    const { signal, patience = Infinity } = this.options;
    while (progress.done(this.step) < 1) {
      if (signal?.aborted === true) {
        this.record.end = 'interrupted';
        if (count > 0) await this.look(sum / count, this.rate);
        return;
      }
      const { step } = this;
      const total = progress.total(step);
      const rate = rateAt(step, progress.done(step), total, this.rate);
      // Rows as they are come last: a training of less than an epoch learns from changed ones too.
      const variant = (this.order.epochOf(step) + 1) % this.variants;
      const loss = await this.learner.step(this.order.of(step), variant, rate);
      this.step++;
      if (Number.isFinite(loss)) {
        sum += loss;
        count++;
      } else if (!this.setBack()) return;
      this.options.onStep?.({
        step: this.step,
        steps: progress.total(this.step),
        loss,
        best: this.best.loss,
        rate,
        secondsLeft: progress.left(this.step),
      });
      const done = progress.done(this.step);
      if (done < 1 && looks() === looked) continue;
      looked = looks();
      await this.look(sum / Math.max(count, 1), rate);
      [sum, count] = [0, 0];
      if (this.worseByHalf(done)) this.setBack(HALFWAY_RATE);
      if (done >= 1) this.record.end = 'length';
      else if (this.record.idle >= patience) this.record.end = 'patience';
      await save(this.state(progress.seconds));
      if (this.record.end !== undefined) return;
    }
  }

  private lengthInSteps(): { readonly steps: number } | { readonly minutes: number } {
    const { length } = this.options;
    if (!('epochs' in length)) return length;
    return { steps: Math.max(1, Math.round((length.epochs * this.order.rows.length) / this.order.batch)) };
  }

  /** The weights as they came, and the rate. */
  private async start(length: { readonly steps: number } | { readonly minutes: number }): Promise<void> {
    const { learner, validation, options } = this;
    const loss = await learner.loss(validation);
    this.best = { ...this.best, loss: Number.isNaN(loss) ? Infinity : loss };
    this.record.curve.push({ step: 0, training: loss, validation: loss, rate: 0 });
    if (options.rate !== undefined) {
      this.rate = options.rate;
      return;
    }
    const expected = 'steps' in length ? length.steps : (60 * length.minutes) / (await this.secondsOfStep());
    const steps = Math.min(RANGE_STEPS[1], Math.max(RANGE_STEPS[0], Math.round(expected * RANGE_SHARE)));
    const points = await rangeTest(learner, this.order, validation, {
      start: loss,
      steps,
      ...('minutes' in length ? { seconds: 60 * length.minutes * RANGE_TIME } : {}),
      signal: options.signal,
      onRate: options.onRate,
    });
    this.record = { ...this.record, rangeTest: points };
    this.rate = bestRate(points, loss);
  }

  /** How long a step takes, from a second one: the first pays for memory. */
  private async secondsOfStep(): Promise<number> {
    const start = this.learner.weights.map((w) => w.slice());
    await this.learner.step(this.order.of(0), 0, 0);
    const began = performance.now();
    await this.learner.step(this.order.of(0), 0, 0);
    const seconds = (performance.now() - began) / 1000;
    this.learner.adam.restart(start);
    return Math.max(seconds, 1e-6);
  }

  /** Looks at the validation rows. */
  private async look(training: number, rate: number): Promise<void> {
    const validation = await this.learner.loss(this.validation);
    this.record.curve.push({ step: this.step, training, validation, rate });
    this.record.idle++;
    if (!(validation < this.best.loss)) return;
    this.best = { step: this.step, loss: validation, weights: this.learner.weights.map((w) => w.slice()) };
    this.record.idle = 0;
  }

  /** Whether half of the training has only led away from the weights as they came: a rate that some steps stand may be too large for many. */
  private worseByHalf(done: number): boolean {
    const last = this.record.curve.at(-1)!.validation;
    return done >= 0.5 && done < 1 && this.setbacks === 0 && this.best.step === 0 && last > MUCH_WORSE * this.best.loss;
  }

  /** Goes back to the best weights at a share of the rate. @returns false where that has been tried often enough */
  private setBack(share = 0.5): boolean {
    this.setbacks++;
    if (this.setbacks > MOST_SETBACKS) {
      this.record.end = 'diverged';
      return false;
    }
    this.rate *= share;
    this.learner.adam.restart(this.best.weights);
    return true;
  }

  private state(seconds: number): TrainingState {
    const { first, second, steps } = this.learner.adam;
    return {
      step: this.step,
      adamSteps: steps,
      seconds,
      rate: this.rate,
      setbacks: this.setbacks,
      best: { step: this.best.step, loss: this.best.loss },
      record: this.record,
      weights: this.learner.weights,
      first,
      second,
      bestWeights: this.best.weights,
    };
  }

  private restore(state: TrainingState): void {
    this.step = state.step;
    this.rate = state.rate;
    this.setbacks = state.setbacks;
    this.best = { ...state.best, weights: state.bestWeights };
    this.record = state.record as TrainingRecord;
    this.learner.adam.restore(state.weights, state.first, state.second, state.adamSteps);
  }
}
