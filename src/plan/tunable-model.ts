import { skeleton } from '../calibration/instrument.js';
import type { Consumer } from '../channels/types.js';
import { addToBias, extendBias, held, outputsOf, readWeight, writeWeight } from '../channels/weights.js';
import { cloneModel, replaceConstant } from '../graph/edit.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { scoresBehind } from '../graph/scores.js';
import { elementCount } from '../graph/tensor.js';
import { floatTensor, toFloat64, toTypedArray } from '../graph/tensor-data.js';
import type { Matrix } from '../linalg/matrix.js';
import { Session, type SessionOptions } from '../runtime/session.js';

/** What stands in a consumer's place in a trial: W T (outputs × kept features) and W t. */
export interface Trial {
  readonly consumer: Consumer;
  readonly weight: Matrix;
  readonly biasDelta: Float64Array | undefined;
  /** Feature index of each column of `weight`. */
  readonly kept: Int32Array;
}

/**
 * The model with the weights and biases of some consumers as inputs, loaded once: a trial reduction keeps the full widths and puts zeros in the
 * place of removed features, which computes the same values without loading another model. All other layers keep their weights as constants,
 * which the runtime packs for its fastest kernels.
 */
export class TunableModel {
  private constructor(
    private readonly session: Session,
    private readonly model: Model,
    private readonly defaults: Feeds,
  ) {}

  /** @param consumers those that trials will replace */
  static async open(original: Model, consumers: readonly Consumer[], options: SessionOptions): Promise<TunableModel> {
    const model = cloneModel(original);
    const names: string[] = [];
    for (const consumer of consumers) {
      names.push(consumer.weight);
      const { bias } = consumer;
      if (bias.kind === 'none') continue;
      const holder = bias.kind === 'extend' ? bias.name : bias.holder;
      const outputs = outputsOf(model, consumer);
      if (bias.kind === 'extend') extendBias(model, consumer, holder, outputs);
      const old = held(model.graph, holder);
      // A trial may need another constant for each output: a scalar bias stands in full length from the start.
      if (elementCount(old.dims) === 1) {
        const values = new Float64Array(outputs).fill(toFloat64(old)[0]!);
        replaceConstant(model.graph, holder, floatTensor(old.name, [outputs], old.dtype as 'float32', values));
      }
      names.push(holder);
    }
    const defaults = new Map(names.map((name) => [name, arrayOf(model, name)]));
    const tunable = skeleton(model, {
      nodes: model.graph.nodes.filter((n) => !(n.opType === 'Constant' && defaults.has(n.outputs[0] ?? ''))),
      initializers: [...model.graph.initializers.values()].filter((t) => !defaults.has(t.name)),
      inputs: [
        ...model.graph.inputs
          .filter((i) => !model.graph.initializers.has(i.name))
          .map((i) => ({
            name: i.name,
            dtype: i.dtype ?? 'float32',
            ...(i.shape === undefined ? {} : { rank: i.shape.length }),
          })),
        ...[...defaults].map(([name, array]) => ({ name, dtype: array.dtype, rank: array.dims.length })),
      ],
      outputs: model.graph.outputs.map(({ name, dtype }) => ({ name: scoresBehind(model, name), dtype })),
    });
    return new TunableModel(await Session.open(tunable, options), model, defaults);
  }

  /** Outputs (the scores behind a final Softmax in its place) for each batch with some consumers replaced. */
  async run(batches: readonly Feeds[], trials: readonly Trial[]): Promise<ReadonlyMap<string, NumericArray>[]> {
    const values = new Map(this.defaults);
    if (trials.length > 0) {
      const model = cloneModel(this.model);
      for (const { consumer, weight, biasDelta, kept } of trials) {
        const { rows, cols } = readWeight(this.model, consumer);
        const full = new Float64Array(rows * cols);
        for (let o = 0; o < rows; o++) kept.forEach((f, k) => (full[o * cols + f] = weight.data[o * weight.cols + k]!));
        writeWeight(model, consumer, { rows, cols, data: full });
        values.set(consumer.weight, arrayOf(model, consumer.weight));
        if (biasDelta === undefined) continue;
        addToBias(model, consumer, biasDelta);
        const { bias } = consumer;
        if (bias.kind === 'none') continue;
        const holder = bias.kind === 'extend' ? bias.name : bias.holder;
        values.set(holder, arrayOf(model, holder));
      }
    }
    const outputs: ReadonlyMap<string, NumericArray>[] = [];
    for (const feeds of batches) outputs.push(await this.session.run(new Map([...values, ...feeds])));
    return outputs;
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

function arrayOf(model: Model, holder: string): NumericArray {
  const tensor = held(model.graph, holder);
  return { dtype: tensor.dtype, dims: tensor.dims, data: toTypedArray(tensor) };
}
