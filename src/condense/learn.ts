import { gatherRows } from '../calibration/dataset.js';
import { raise } from '../diagnostics/diagnostic.js';
import { augmentationHasNoInput, nothingToTrain, outputsNotTrainable } from '../diagnostics/train.js';
import type { Model } from '../graph/ir.js';
import { scoresBehind } from '../graph/scores.js';
import { isFloat } from '../graph/tensor.js';
import type { TrainingReport } from '../report/training-report.js';
import type { SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { isImages, isVector } from '../train/augmentation.js';
import { DEFAULT_SEED, type LearningOptions } from '../train/options.js';
import type { TrainingLength } from '../train/schedule.js';
import type { WantedLoss } from '../train/train.js';
import { LAYERS, trainableWeights } from '../train/training-graph.js';
import { distillation } from '../../passes/distill.js';
import type { CondenseOptions } from './options.js';
import { rowsPerRun, type CalibrationRows } from './prepare.js';
import type { PassNote } from './reduced.js';
import { VALIDATION } from './trial-rows.js';

const BATCH = 256;
const CLIP = 1;
const TEMPERATURE = 3;
/** Most rows of a run without a gradient. */
const MOST_ROWS = 1024;
/** Share of the memory that the teacher's outputs may take. */
const TARGET_SHARE = 1 / 4;
/** Validation rows that choose the best weights, as a share of all rows, and at least; the rest of the validation fold is learned from. */
const VALIDATION_SHARE = 0.1;
const LEAST_VALIDATION = 200;

/** What {@link learn} gives back. */
export interface Learned {
  /** The student itself, or the other model, where no step made it better. */
  readonly model: Model;
  readonly pass: PassNote;
  readonly report: TrainingReport;
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
  checkAugmentation(options, fitData.inputs);
  const probed = fitData.fixedBatch ?? 1;
  const feeds = gatherRows(
    fitData,
    Int32Array.from({ length: probed }, (_, i) => i),
  );
  const [of, to] = [await probeShapes(teacher, feeds, session), await probeShapes(student, feeds, session)];
  const losses = lossesOf(teacher, student, [of, to], options);
  if (trainableWeights(student).size === 0) raise(nothingToTrain());
  const total = folds.reduce((sum, f) => sum + f.length, 0);
  const held = folds[VALIDATION]!;
  const count = Math.min(held.length, Math.max(LEAST_VALIDATION, Math.round(VALIDATION_SHARE * total)));
  const validation = held.subarray(0, count);
  const fit = Int32Array.from(folds.flatMap((fold, i) => [...(i === VALIDATION ? fold.subarray(count) : fold)]));
  const batch = Math.min(
    fitData.fixedBatch ?? options.trainBatch ?? Math.min(BATCH, rowsPerRun(to, probed, memory)),
    fit.length,
  );
  const { changed, notes, model, trained } = await distillation.run(student, {
    teacher,
    data: fitData,
    fit,
    validation,
    length,
    losses,
    otherwise: options.otherwise,
    batch,
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
    pass: { name: distillation.name, changed, notes },
    report: {
      trained: trained.trainedWeights,
      rows: { fit: fit.length, validation: validation.length },
      steps: trained.steps,
      batch,
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

type Shapes = ReadonlyMap<string, readonly number[]>;

/** What counts: every floating-point output, class scores by the values before the Softmax, and layers inside where that was asked for. */
function lossesOf(
  teacher: Model,
  student: Model,
  [of, to]: readonly [Shapes, Shapes],
  {
    classes = [],
    loss = 'auto',
    temperature = TEMPERATURE,
    match = 0,
  }: LearningOptions & Pick<CondenseOptions, 'classes'>,
): WantedLoss[] {
  const floats = teacher.graph.outputs.filter(({ dtype }) => isFloat(dtype));
  if (floats.length === 0) raise(outputsNotTrainable());
  const weight = 1 / floats.length;
  const losses = floats.map(({ name }): WantedLoss => {
    const behind = scoresBehind(teacher, name);
    const output = behind === scoresBehind(student, name) ? behind : name;
    const axis = classAxis(teacher, name, of.get(output)?.length ?? 2);
    const scores = output !== name || classes.includes(name);
    if (loss === 'kl' || (loss === 'auto' && scores && axis !== undefined))
      return { kind: 'kl', output, axis: axis ?? -1, temperature, weight };
    return { kind: loss === 'huber' ? 'huber' : 'squared', output, weight };
  });
  if (match === 0) return losses;
  const known = new Set(losses.map((l) => l.output));
  const constants = student.graph.initializers;
  const inside = student.graph.nodes.flatMap(({ opType, inputs, outputs: [value = ''] }) => {
    const same = of.has(value) && of.get(value)!.join() === to.get(value)?.join();
    // What a branch adds to is matched too, so that later branches make up for what earlier ones are short of.
    const sum = opType === 'Add' && inputs.every((i) => !constants.has(i));
    return (sum || LAYERS.has(opType)) && same && !known.has(value) ? [value] : [];
  });
  return [
    ...losses,
    ...inside.map((output): WantedLoss => ({ kind: 'squared', output, weight: match / inside.length })),
  ];
}

/** The axis that classes lie on; undefined for a Softmax of an old operator set that takes several axes as one. */
function classAxis(model: Model, output: string, rank: number): number | undefined {
  const maker = model.graph.nodes.find((n) => n.outputs.includes(output));
  if (maker === undefined || scoresBehind(model, output) === output) return rank === 4 ? 1 : -1;
  const attribute = maker.attributes.get('axis');
  const old = (model.opsets.get('') ?? 1) < 13;
  const axis = attribute?.type === 'int' ? attribute.value : old ? 1 : -1;
  return old && axis !== -1 && axis !== rank - 1 ? undefined : axis;
}

function checkAugmentation({ augment }: LearningOptions, inputs: CalibrationRows['fitData']['inputs']): void {
  if (augment === undefined) return;
  if ((augment.flip === true || augment.shift !== undefined) && !inputs.some(isImages))
    raise(augmentationHasNoInput('flip and shift', 'images (rank 4, a batch axis first)'));
  if (augment.noise !== undefined && !inputs.some(isVector))
    raise(augmentationHasNoInput('noise', 'rows of float32 numbers (rank 2)'));
  if (augment.mix !== undefined && !inputs.some((input) => isVector(input) || isImages(input)))
    raise(augmentationHasNoInput('mix', 'rows of float32 numbers or images'));
}
