import { raise } from '../diagnostics/diagnostic.js';
import { nothingToTrain, outputsNotTrainable } from '../diagnostics/train.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { scoresBehind } from '../graph/scores.js';
import { isFloat } from '../graph/tensor.js';
import { readModel } from '../onnx/index.js';
import type { DistillReport } from '../report/distill-report.js';
import { resolveProvider } from '../runtime/providers.js';
import { train } from '../train/train.js';
import { trainableWeights } from '../train/training-graph.js';
import { compareModels } from '../verify/compare-models.js';
import { judgementOf } from '../verify/metric-module.js';
import { farthestRows } from '../verify/farthest.js';
import { VERSION } from '../version.js';
import { Clock } from './clock.js';
import { checkOutputNames } from './names.js';
import { DEFAULT_MEMORY, type CondenseOptions } from './options.js';
import { loadRows } from './prepare.js';
import { withTraining } from './provenance.js';
import { VALIDATION } from './trial-rows.js';
import { checkInterfaces } from './verify.js';

/** How long a training takes. */
export type TrainingLength = { readonly steps: number } | { readonly epochs: number };

/** Options of {@link distill}. Those on data and the check are as for {@link condense}. */
export interface DistillOptions extends Pick<
  CondenseOptions,
  | 'data'
  | 'test'
  | 'holdout'
  | 'group'
  | 'maxRows'
  | 'images'
  | 'tolerance'
  | 'metric'
  | 'rowTolerance'
  | 'classes'
  | 'provider'
  | 'memory'
  | 'onProgress'
> {
  /** Steps, or times through the rows. Default 20 epochs. */
  readonly train?: TrainingLength;
  /** Rows of a step. Default 256; a graph with a fixed batch has only that. */
  readonly batch?: number;
  /** Largest learning rate: it rises to it at first, then falls to 0 along half a cosine. Default 1e-3. */
  readonly learningRate?: number;
  /** Share of a weight that is taken away in each step, times the rate. Default 0. */
  readonly weightDecay?: number;
  /** Gradients with a larger norm are scaled down to it. Default 1. */
  readonly clip?: number;
  /** Decides the order of the rows. Default 1. */
  readonly seed?: number;
}

/** What {@link distill} gives back. */
export interface Distilled {
  /** The student with its best weights; itself where no step made it better. Not to be trusted when the check failed. */
  readonly model: Model;
  readonly report: DistillReport;
}

const EPOCHS = 20;
const BATCH = 256;
const LEARNING_RATE = 1e-3;
const CLIP = 1;
/** Share of the memory that the teacher's outputs may take. */
const TARGET_SHARE = 1 / 4;

/**
 * Lets a model learn from the outputs of another on unlabelled rows, and checks it on rows that played no part.
 *
 * The loss is the squared error of each output over its standard deviation; of an output behind a Softmax, that of the scores before it. The
 * weights that are best on validation rows are kept; check rows are looked at once, at the end.
 * @param teacher what is to be computed; student: a model with the same inputs and outputs
 * @throws CondenseError for wrong options, data or models (exit codes 2 and 4)
 */
export async function distill(
  teacher: Model | string,
  student: Model | string,
  options: DistillOptions,
): Promise<Distilled> {
  const clock = new Clock();
  const [from, to] = [
    typeof teacher === 'string' ? await readModel(teacher) : teacher,
    typeof student === 'string' ? await readModel(student) : student,
  ];
  checkInterfaces(from, to);
  checkOutputNames(from, options.classes);
  const judgement = await judgementOf(options);
  const { provider, notes } = await resolveProvider(options.provider ?? 'cpu');
  const session = { provider };
  const rows = await clock.timed('data', () => loadRows(from, options));
  const outputs = from.graph.outputs.flatMap(({ name, dtype }) => {
    if (!isFloat(dtype)) return [];
    const scores = scoresBehind(from, name);
    return [scores === scoresBehind(to, name) ? scores : name];
  });
  if (outputs.length === 0) raise(outputsNotTrainable());
  if (trainableWeights(to).length === 0) raise(nothingToTrain());
  const fit = Int32Array.from(rows.folds.flatMap((fold, i) => (i === VALIDATION ? [] : [...fold])));
  const validation = rows.folds[VALIDATION]!;
  const batch = Math.min(rows.fitData.fixedBatch ?? options.batch ?? BATCH, fit.length);
  const length = options.train ?? { epochs: EPOCHS };
  const steps = 'steps' in length ? length.steps : Math.max(1, Math.round((length.epochs * fit.length) / batch));
  const trained = await clock.timed('train', () =>
    train(
      from,
      to,
      outputs,
      rows.fitData,
      { fit, validation },
      {
        steps,
        batch,
        rate: options.learningRate ?? LEARNING_RATE,
        weightDecay: options.weightDecay ?? 0,
        clip: options.clip ?? CLIP,
        seed: options.seed ?? 1,
        memory: (options.memory ?? DEFAULT_MEMORY) * TARGET_SHARE,
        session,
        onStep: (done, total, loss) =>
          options.onProgress?.({ stage: 'distill', message: `loss ${loss.toPrecision(3)}`, done, total }),
      },
    ),
  );
  const fitRows = Int32Array.from([...fit, ...validation]).sort();
  const compare = (model: Model) =>
    compareModels(from, model, rows.checkData, rows.checkRows, {
      session,
      batch: rows.fitData.fixedBatch ?? BATCH,
      ...judgement,
      exact: false,
      rowTolerance: options.rowTolerance,
      classes: options.classes ?? [],
      farthest: farthestRows(rows.fitData, fitRows, rows.checkData, rows.checkRows),
    });
  const before = await clock.timed('verify-student', () => compare(to));
  const verification = await clock.timed('verify', () => compare(trained.model));
  return {
    model: withTraining(trained.model, to, options, { steps, bestStep: trained.bestStep, verification }),
    report: {
      schemaVersion: 1,
      tool: { name: 'onnx-condense', version: VERSION },
      status: verification.verdict.passed ? 'trained' : 'check-failed',
      parameters: { teacher: parameterCount(from), student: parameterCount(to), trained: trained.trainedWeights },
      rows: { fit: fit.length, validation: validation.length, check: rows.checkRows.length },
      steps,
      batch,
      bestStep: trained.bestStep,
      curve: trained.curve,
      stops: trained.stops,
      before,
      verification,
      warnings: [...rows.notes, ...notes.map((message) => ({ code: 'PROVIDER_NOT_AVAILABLE', message }))],
      seconds: clock.seconds(),
    },
  };
}
