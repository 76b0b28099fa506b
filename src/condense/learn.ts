import { gatherRows } from '../calibration/dataset.js';
import { raise } from '../diagnostics/diagnostic.js';
import type { DataNote } from '../diagnostics/calibration.js';
import {
  augmentationHasNoInput,
  noStepMade,
  nothingMatched,
  nothingToTrain,
  tooFewRowsToLearn,
} from '../diagnostics/train.js';
import type { Model } from '../graph/ir.js';
import type { TrainingReport } from '../report/training-report.js';
import type { SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { isImages, isVector } from '../train/augmentation.js';
import { DEFAULT_SEED, type LearningOptions } from '../train/options.js';
import { LEAST_ROWS } from '../train/runs.js';
import type { TrainingLength } from '../train/schedule.js';
import { trainableWeights } from '../train/training-graph.js';
import { distillation } from '../../passes/distill.js';
import type { CondenseOptions } from './options.js';
import { rowsPerRun, type CalibrationRows } from './prepare.js';
import type { PassNote } from './reduced.js';
import { VALIDATION } from './trial-rows.js';
import { wantedLosses } from './wanted-losses.js';

const BATCH = 256;
const CLIP = 1;
/** Most rows of a run without a gradient. */
const MOST_ROWS = 1024;
/** Share of the memory that the teacher's outputs may take. */
const TARGET_SHARE = 1 / 4;
/** Validation rows that choose the best weights, as a share of all rows, and at least; the rest of the validation fold is learned from. */
const VALIDATION_SHARE = 0.1;
const LEAST_VALIDATION = 200;

/**
 * Rows to learn from, and rows that choose the best weights: those of the validation fold as far as they go, in whole runs of a graph with a fixed batch.
 * @throws CondenseError where there are not enough for a run of either
 */
export function learningRows({ fitData, folds }: Pick<CalibrationRows, 'fitData' | 'folds'>): {
  readonly fit: Int32Array;
  readonly validation: Int32Array;
} {
  const run = fitData.fixedBatch ?? 1;
  const held = folds[VALIDATION]!;
  const all = Int32Array.from([...held, ...folds.flatMap((fold, i) => (i === VALIDATION ? [] : [...fold]))]);
  const wanted = Math.max(LEAST_VALIDATION, Math.round(VALIDATION_SHARE * all.length));
  // Data of few groups may have no validation fold.
  const there = held.length > 0 ? held.length : Math.floor(all.length / folds.length);
  const runs = Math.ceil(Math.min(wanted, Math.max(there, run)) / run);
  const count = run * Math.min(runs, Math.floor(all.length / run) - 1);
  if (count < run) raise(tooFewRowsToLearn(all.length, run));
  return { fit: all.subarray(count), validation: all.subarray(0, count) };
}

/** What {@link learn} gives back. */
export interface Learned {
  /** The student itself, or the other model, where no step made it better. */
  readonly model: Model;
  readonly pass: PassNote;
  readonly report: TrainingReport;
  readonly warnings: readonly DataNote[];
}

/**
 * Lets a student learn from what its teacher makes of the fit rows.
 * @param teacher with BatchNormalization folded, as it is in the student
 * @param options `otherwise`: a model of the same graph, kept where learning does not come to less error on validation rows
 * @throws CondenseError where nothing can be trained
 */
export async function learn(
  teacher: Model,
  student: Model,
  { fitData, folds }: Pick<CalibrationRows, 'fitData' | 'folds'>,
  length: TrainingLength,
  options: LearningOptions &
    Pick<CondenseOptions, 'classes' | 'onProgress'> & { readonly otherwise?: Model | undefined },
  { session, memory }: { readonly session: SessionOptions; readonly memory: number },
): Promise<Learned> {
  const started = performance.now();
  options.onProgress?.({ stage: 'distill', message: 'asking the original' });
  checkAugmentation(options, fitData.inputs);
  const probed = fitData.fixedBatch ?? 1;
  const feeds = gatherRows(
    fitData,
    Int32Array.from({ length: probed }, (_, i) => i),
  );
  const [of, to] = [await probeShapes(teacher, feeds, session), await probeShapes(student, feeds, session)];
  const { losses, matched } = wantedLosses(teacher, student, [of, to], options);
  if (trainableWeights(student).size === 0) raise(nothingToTrain());
  const { fit, validation } = learningRows({ fitData, folds });
  // Runs of a graph with a fixed batch are made until there are as many rows.
  const most = fitData.fixedBatch === undefined ? rowsPerRun(to, probed, memory) : BATCH;
  const { changed, notes, model, trained } = await distillation.run(student, {
    teacher,
    data: fitData,
    fit,
    validation,
    length,
    losses,
    otherwise: options.otherwise,
    batch: options.trainBatch ?? sharedOutEvenly(Math.min(BATCH, most, fit.length)),
    rowsPerRun: Math.min(MOST_ROWS, rowsPerRun(of, probed, memory)),
    rate: options.learningRate,
    weightDecay: options.weightDecay ?? 0,
    clip: options.clip ?? CLIP,
    seed: options.seed ?? DEFAULT_SEED,
    augmentation: options.augment,
    patience: options.patience,
    checkpoint: options.checkpoint,
    memory: memory * TARGET_SHARE,
    session,
    signal: options.signal,
    onRate: (rate) => options.onProgress?.({ stage: 'distill', message: `trying the rate ${rate.toExponential(0)}` }),
    onStep: ({ step, steps, loss, best, rate, secondsLeft }) =>
      options.onProgress?.({
        stage: 'distill',
        message: `loss ${loss.toPrecision(3)}, validation ${best.toPrecision(3)}, rate ${rate.toPrecision(2)}`,
        secondsLeft,
        done: step,
        ...(Number.isFinite(steps) ? { total: steps } : {}),
      }),
  });
  return {
    model,
    warnings: [
      ...(matched === 0 && (options.match ?? 0) > 0 ? [nothingMatched()] : []),
      ...(trained.steps === 0 ? [noStepMade()] : []),
    ],
    pass: { name: distillation.name, changed, notes },
    report: {
      trained: trained.trainedWeights,
      rows: { fit: fit.length, validation: validation.length },
      steps: trained.steps,
      batch: trained.batch,
      losses: losses.map(({ output, kind, weight }) => ({ output, kind, weight })),
      learningRate: trained.rate,
      rangeTest: trained.rangeTest,
      end: trained.end,
      bestStep: trained.bestStep,
      curve: trained.curve,
      stops: trained.stops,
      seconds: Number(((performance.now() - started) / 1000).toFixed(2)),
    },
  };
}

/** A number of rows that falls into equal parts for most numbers of cores. */
function sharedOutEvenly(rows: number): number {
  return rows < LEAST_ROWS ? rows : rows - (rows % LEAST_ROWS);
}

function checkAugmentation({ augment }: LearningOptions, inputs: CalibrationRows['fitData']['inputs']): void {
  if (augment === undefined) return;
  const { noise, mix, ...ofImages } = augment;
  const named = Object.entries(ofImages).flatMap(([name, amount]) => (amount ? [name] : []));
  if (named.length > 0 && !inputs.some(isImages))
    raise(augmentationHasNoInput(named.join(','), 'images (rank 4, a batch axis first)'));
  if (noise !== undefined && !inputs.some(isVector))
    raise(augmentationHasNoInput('noise', 'rows of float32 numbers (rank 2)'));
  if (mix !== undefined && !inputs.some((input) => isVector(input) || isImages(input)))
    raise(augmentationHasNoInput('mix', 'rows of float32 numbers or images'));
}
