/** Lets a student learn from its teacher's outputs: mini-batches in an order that a seed gives, the best weights by what validation rows say. */
import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { skeleton } from '../calibration/instrument.js';
import { randomNumbers } from '../calibration/random.js';
import { cloneModel, replaceConstant } from '../graph/edit.js';
import type { NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { fromTypedArray, toFloat32 } from '../graph/tensor-data.js';
import { withSession, type SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { Adam, rateAt } from './adam.js';
import { Targets } from './targets.js';
import { trainingGraph, type TargetScale, type TrainingGraph } from './training-graph.js';

export interface TrainOptions {
  readonly steps: number;
  /** Rows of a step; a graph with a fixed batch has only that. */
  readonly batch: number;
  /** Largest learning rate. */
  readonly rate: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly seed: number;
  /** Bytes that the teacher's outputs may take. */
  readonly memory: number;
  readonly session: SessionOptions;
  readonly onStep?: (step: number, steps: number, loss: number) => void;
}

/** The loss as training went on: means of the steps since the last point, and of the validation rows. */
export interface LossPoint {
  readonly step: number;
  readonly training: number;
  readonly validation: number;
}

export interface Trained {
  /** The student with its best weights. */
  readonly model: Model;
  readonly curve: readonly LossPoint[];
  /** The step after which validation rows were fitted best; 0 for the weights as they came. */
  readonly bestStep: number;
  /** Nodes that no gradient passes: what lies before them alone was not trained. */
  readonly stops: TrainingGraph['stops'];
  readonly trainedWeights: number;
}

/** How often validation rows are looked at. */
const CHECKS = 25;
/** Rows of a run over validation rows. */
const VALIDATION_BATCH = 1024;

/**
 * Trains the weights of a student.
 * @param outputs values that both models compute, by the same names
 * @param fit rows to learn from; validation: rows that choose the best weights
 */
export async function train(
  teacher: Model,
  student: Model,
  outputs: readonly string[],
  data: Dataset,
  { fit, validation }: { readonly fit: Int32Array; readonly validation: Int32Array },
  options: TrainOptions,
): Promise<Trained> {
  const { steps, session } = options;
  const batch = data.fixedBatch ?? Math.min(options.batch, fit.length);
  const all = Int32Array.from([...fit, ...validation]);
  const targets = await Targets.open(teacher, outputs, data, all, options.memory, session);
  try {
    const shapes = await probeShapes(student, gatherRows(data, fit.slice(0, batch)), session);
    const graph = trainingGraph(student, shapes, targets.scales);
    const names = graph.weights;
    const dims = names.map((name) => student.graph.initializers.get(name)!.dims);
    const weights = names.map((name) => toFloat32(student.graph.initializers.get(name)!).slice());
    const adam = new Adam(weights, { weightDecay: options.weightDecay, clip: options.clip });
    const fed = (): [string, NumericArray][] =>
      names.map((name, i) => [name, { dtype: 'float32', dims: dims[i]!, data: weights[i]! }]);
    const forward = withWeightsAsInputs(student, graph, outputs);
    return await withSession(graph.model, session, (training) =>
      withSession(forward, session, async (checking) => {
        const validate = async (): Promise<number> => {
          let [sum, count] = [0, 0];
          const step = data.fixedBatch ?? VALIDATION_BATCH;
          for (let start = 0; start + (data.fixedBatch ?? 1) <= validation.length; start += step) {
            const rows = validation.subarray(start, start + step);
            const feeds = gatherRows(data, rows);
            const made = await checking.run(new Map([...feeds, ...fed()]));
            const wanted = await targets.of(rows, feeds);
            sum += rows.length * lossOf(made, wanted, targets.scales);
            count += rows.length;
          }
          return sum / Math.max(count, 1);
        };
        let best = { step: 0, loss: await validate(), weights: weights.map((w) => w.slice()) };
        const curve: LossPoint[] = [{ step: 0, training: best.loss, validation: best.loss }];
        const next = rowsInTurn(fit, batch, options.seed);
        let [sum, count] = [0, 0];
        const every = Math.max(1, Math.ceil(steps / CHECKS));
        for (let step = 1; step <= steps; step++) {
          const rows = next();
          const feeds = gatherRows(data, rows);
          const wanted = await targets.of(rows, feeds);
          const run = await training.run(
            new Map([...feeds, ...fed(), ...[...graph.targets].map(([o, t]) => [t, wanted.get(o)!] as const)]),
          );
          const loss = (run.get(graph.loss)!.data as Float32Array)[0]!;
          adam.step(
            names.map((name) => run.get(graph.gradients.get(name)!)!.data as Float32Array),
            rateAt(step - 1, steps, options.rate),
          );
          sum += loss;
          count++;
          options.onStep?.(step, steps, loss);
          if (step % every !== 0 && step !== steps) continue;
          const now = await validate();
          curve.push({ step, training: sum / count, validation: now });
          [sum, count] = [0, 0];
          if (now < best.loss) best = { step, loss: now, weights: weights.map((w) => w.slice()) };
        }
        const model = cloneModel(student);
        names.forEach((name, i) => {
          replaceConstant(model.graph, name, fromTypedArray(name, dims[i]!, 'float32', best.weights[i]!));
        });
        return {
          model,
          curve,
          bestStep: best.step,
          stops: graph.stops,
          trainedWeights: weights.reduce((total, w) => total + w.length, 0),
        };
      }),
    );
  } finally {
    await targets.release();
  }
}

/** The student with the weights that are trained as inputs. */
function withWeightsAsInputs(
  student: Model,
  { model, weights, targets }: TrainingGraph,
  outputs: readonly string[],
): Model {
  const given = new Set(targets.values());
  const trained = new Set(weights);
  return skeleton(student, {
    nodes: student.graph.nodes,
    initializers: [...student.graph.initializers.values()].filter((t) => !trained.has(t.name)),
    inputs: model.graph.inputs
      .filter((i) => !given.has(i.name))
      .map((i) => ({
        name: i.name,
        dtype: i.dtype ?? 'float32',
        ...(i.shape === undefined ? {} : { rank: i.shape.length }),
      })),
    outputs: outputs.map((name) => ({ name, dtype: 'float32' })),
  });
}

/** The loss of the training graph, from values. */
function lossOf(
  made: ReadonlyMap<string, NumericArray>,
  wanted: ReadonlyMap<string, NumericArray>,
  scales: readonly TargetScale[],
): number {
  let total = 0;
  for (const { output, deviations } of scales) {
    const [y, t] = [made.get(output)!.data as Float32Array, wanted.get(output)!.data as Float32Array];
    let sum = 0;
    for (let i = 0; i < y.length; i++) {
      const d = deviations[i % deviations.length]!;
      if (d > 0) sum += ((y[i]! - t[i]!) / d) ** 2;
    }
    total += sum / y.length;
  }
  return total / scales.length;
}

/** Batches of rows, each row once in every epoch, in another order each time. */
function rowsInTurn(rows: Int32Array, batch: number, seed: number): () => Int32Array {
  const next = randomNumbers(seed);
  const order = Int32Array.from(rows);
  let at = order.length;
  return () => {
    if (at + batch > order.length) {
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      at = 0;
    }
    at += batch;
    return order.slice(at - batch, at);
  };
}
