/** Lets a student learn from its teacher's outputs: mini-batches in an order that a seed gives, the best weights by what validation rows say. */
import path from 'node:path';
import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { raise } from '../diagnostics/diagnostic.js';
import { gradientReachesNothing } from '../diagnostics/train.js';
import type { Model } from '../graph/ir.js';
import { openPool } from '../runtime/session-pool.js';
import type { SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { TrainingRows, type Augmentation } from './augmentation.js';
import { fingerprintOf, loadCheckpoint, saveCheckpoint, type TrainingState } from './checkpoint.js';
import { Learner, lossOf } from './learner.js';
import type { OutputLoss } from './losses.js';
import type { RangePoint } from './range-test.js';
import { RowOrder } from './row-order.js';
import { planRuns } from './runs.js';
import { Targets } from './targets.js';
import { trainingGraph, type TrainingGraph } from './training-graph.js';
import { TrainingLoop, type LoopOptions, type LossPoint, type TrainingEnd } from './training-loop.js';

/** How the error of a value counts; deviations are taken from the teacher. */
export type WantedLoss =
  Omit<Extract<OutputLoss, { kind: 'squared' | 'huber' }>, 'deviations'> | Extract<OutputLoss, { kind: 'kl' }>;

export interface TrainOptions extends LoopOptions {
  /** Values of both models, and how their errors count. */
  readonly losses: readonly WantedLoss[];
  /** A model with the same values as the student that stands where training does not come to less loss on validation rows. */
  readonly otherwise?: Model | undefined;
  /** Rows of a step, rounded to whole runs of a graph with a fixed batch. */
  readonly batch: number;
  /** Rows of a run without a gradient, of either model, where one is made at a time. */
  readonly rowsPerRun: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly seed: number;
  readonly augmentation?: Augmentation | undefined;
  /** A folder for the state of the training, from which it goes on when it is there. */
  readonly checkpoint?: string | undefined;
  /** Bytes that the teacher's outputs may take. */
  readonly memory: number;
  readonly session: SessionOptions;
}

export interface Trained {
  /** The student with its best weights, or what stands otherwise. */
  readonly model: Model;
  readonly curve: readonly LossPoint[];
  readonly steps: number;
  /** Rows of a step. */
  readonly batch: number;
  /** The step after which validation rows were fitted best; 0 for the weights as they came. */
  readonly bestStep: number;
  /** Largest learning rate. */
  readonly rate: number;
  /** What it was chosen by; empty where it was given. */
  readonly rangeTest: readonly RangePoint[];
  readonly end: TrainingEnd;
  /** Nodes that no gradient passes: what lies before them alone was not trained. */
  readonly stops: TrainingGraph['stops'];
  readonly trainedWeights: number;
}

/**
 * Trains the weights of a student.
 * @param fit rows to learn from; validation: rows that choose the best weights
 * @throws CondenseError where the checkpoint is one of another training
 */
export async function train(
  teacher: Model,
  student: Model,
  data: Dataset,
  { fit, validation }: { readonly fit: Int32Array; readonly validation: Int32Array },
  options: TrainOptions,
): Promise<Trained> {
  const { losses, session, seed, checkpoint } = options;
  const { fixedBatch } = data;
  const whole = fixedBatch ?? 1;
  const batch = whole * Math.max(1, Math.floor(Math.min(options.batch, fit.length) / whole));
  const order = new RowOrder(fit, batch, seed);
  const rows = new TrainingRows(data, fit, options.augmentation, seed);
  const outputs = [...new Set(losses.map((l) => l.of))];
  const all = Int32Array.from([...fit, ...validation]);
  const shapesOf = (count: number): Promise<Map<string, readonly number[]>> =>
    probeShapes(student, gatherRows(data, fit.slice(0, count)), session);
  const runs = planRuns({
    student,
    batch,
    fixedBatch,
    rowsPerRun: options.rowsPerRun,
    shapes: await shapesOf(whole),
    probed: whole,
    provider: session.provider,
  });
  const pool = openPool(runs.atOnce, session);
  try {
    const targets = await Targets.open(teacher, outputs, rows, all, { memory: options.memory, runs }, pool);
    const { deviations } = targets;
    const source = { rows, targets };
    const shapes = await shapesOf(runs.rows);
    const known = losses.map((l) => (l.kind === 'kl' ? l : { ...l, deviations: deviations.get(l.of)! }));
    const graph = trainingGraph(student, shapes, known);
    if (graph.weights.size === 0) raise(gradientReachesNothing(graph.stops));
    const learner = await Learner.open(student, graph, source, pool, runs, options);
    const file = checkpoint === undefined ? undefined : path.join(checkpoint, 'training.onnx');
    const { length, rate, weightDecay, clip, augmentation, patience } = options;
    // As text: JSON knows no Infinity.
    const variants = String(targets.variants);
    const settings = { length, losses, batch, rate, weightDecay, clip, seed, augmentation, variants, patience };
    const fingerprint = file === undefined ? '' : fingerprintOf(teacher, student, data, all, settings);
    const from = file === undefined ? undefined : await loadCheckpoint(file, fingerprint);
    const save = async (state: TrainingState): Promise<void> => {
      if (file !== undefined) await saveCheckpoint(file, state, fingerprint);
    };
    const run = new TrainingLoop(learner, order, targets.variants, validation, options);
    await run.go(from, save);
    const { curve, rangeTest: ranges, end = 'length' } = run.record;
    const { otherwise } = options;
    const stands =
      otherwise !== undefined &&
      (await lossOf(trainingGraph(otherwise, shapes, known), source, validation, pool, runs)) < run.best.loss;
    return {
      model: stands ? otherwise : run.best.step === 0 ? student : learner.modelWith(run.best.weights),
      curve,
      steps: run.step,
      batch,
      bestStep: stands ? 0 : run.best.step,
      rate: run.rate,
      rangeTest: ranges,
      end,
      stops: graph.stops,
      trainedWeights: learner.weights.reduce((total, w) => total + w.length, 0),
    };
  } finally {
    await pool.release();
  }
}
