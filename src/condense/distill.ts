import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import type { ReportDetails } from '../report/details.js';
import type { DistillReport } from '../report/distill-report.js';
import { resolveProvider } from '../runtime/providers.js';
import { DEFAULT_SEED, type LearningOptions } from '../train/options.js';
import type { TrainingLength } from '../train/schedule.js';
import { compareModels } from '../verify/compare-models.js';
import { judgementOf } from '../verify/metric-module.js';
import { farthestRows } from '../verify/farthest.js';
import { OutputSampler } from '../verify/output-sampler.js';
import { rolloutOf } from '../verify/rollout.js';
import { VERSION } from '../version.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { orderNodes } from '../../passes/order-nodes.js';
import { Clock } from './clock.js';
import { learn } from './learn.js';
import { checkOutputNames } from './names.js';
import { DEFAULT_MEMORY, type CondenseOptions } from './options.js';
import { pairDetails } from './pair-details.js';
import { loadRows } from './prepare.js';
import { withTraining } from './provenance.js';
import { checkInterfaces } from './verify.js';

/** Options of {@link distill}. Those on data and the check are as for {@link condense}. */
export interface DistillOptions
  extends
    LearningOptions,
    Pick<
      CondenseOptions,
      | 'data'
      | 'test'
      | 'holdout'
      | 'group'
      | 'maxRows'
      | 'images'
      | 'tolerance'
      | 'metric'
      | 'rollout'
      | 'feedback'
      | 'rowTolerance'
      | 'classes'
      | 'provider'
      | 'batch'
      | 'memory'
      | 'details'
      | 'onProgress'
    > {
  /** Steps, times through the rows, or minutes. Default 20 epochs. */
  readonly train?: TrainingLength;
}

/** What {@link distill} gives back. */
export interface Distilled {
  /** The student with its best weights; itself where no step made it better. Not to be trusted when the check failed. */
  readonly model: Model;
  readonly report: DistillReport;
  /** What {@link htmlReport} shows beside the report; only with `details`. */
  readonly details?: ReportDetails;
}

const LENGTH: TrainingLength = { epochs: 20 };
/** Rows of a run of the check. */
const BATCH = 256;

/**
 * Lets a model learn from the outputs of another on unlabelled rows, and checks it on rows that played no part.
 *
 * The loss is the squared error of each output over its standard deviation; of class scores, the divergence of the distributions. The
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
  const memory = options.memory ?? DEFAULT_MEMORY;
  const rows = await clock.timed('data', () => loadRows(from, options));
  const rollout = await rolloutOf(options, from, rows.checkData, session);
  const [teaching, learning] = [await folded(from), await folded(to)];
  const trained = await clock.timed('distill', () =>
    learn(teaching, learning, rows, options.train ?? LENGTH, options, { session, memory }),
  );
  // Folding alone is no gain: what training could not better comes back as it was.
  const made = trained.pass.changed ? trained.model : to;
  const fitRows = Int32Array.from(rows.folds.flatMap((fold) => [...fold])).sort();
  const sampler = options.details === true ? new OutputSampler() : undefined;
  const compare = (model: Model, looking?: OutputSampler) =>
    compareModels(from, model, rows.checkData, rows.checkRows, {
      session,
      batch: rows.fitData.fixedBatch ?? options.batch ?? BATCH,
      ...judgement,
      rollout,
      exact: false,
      rowTolerance: options.rowTolerance,
      classes: options.classes ?? [],
      sampler: looking,
      farthest: farthestRows(rows.fitData, fitRows, rows.checkData, rows.checkRows),
    });
  const before = await clock.timed('verify-student', () => compare(to));
  const verification = await clock.timed('verify', () => compare(made, sampler));
  const details =
    sampler === undefined
      ? undefined
      : {
          ...(await clock.timed('details', () => pairDetails(from, made, rows.checkData, session, sampler))),
          seed: options.seed ?? DEFAULT_SEED,
        };
  const { report: training } = trained;
  return {
    ...(details === undefined ? {} : { details }),
    model: withTraining(made, to, options, { training, verification }),
    report: {
      schemaVersion: 1,
      tool: { name: 'onnx-condense', version: VERSION },
      status: verification.verdict.passed ? 'trained' : 'check-failed',
      parameters: { teacher: parameterCount(from), student: parameterCount(to) },
      training,
      before,
      verification,
      warnings: [
        ...rows.notes,
        ...trained.warnings,
        ...notes.map((message) => ({ code: 'PROVIDER_NOT_AVAILABLE', message })),
      ],
      seconds: clock.seconds(),
    },
  };
}

/** With nodes in topological order and BatchNormalization in the weights before it. */
async function folded(model: Model): Promise<Model> {
  const { model: ordered } = await orderNodes.run(model, undefined);
  return (await foldBatchNormalization.run(ordered, undefined)).model;
}
