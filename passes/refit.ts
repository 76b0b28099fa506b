/**
 * Refit in sequence: walks the consumers in topological order and solves each against what the original model computed there, from the inputs
 * that the already reduced model delivers, so that errors do not pile up.
 *
 *     W' = (Cov(z, x') + λ W₀)(Cov(x', x') + λ I)⁻¹,   b' = E z − W' E x'
 *
 * z: the consumer's output in the original model (kept channels), x': its input in the reduced one, W₀ = W T: the weight that absorption gave
 * it, towards which the ridge pulls; λ by cross-validation over the folds' moments. A consumer without a place for a constant is fitted on
 * uncentred moments.
 */
import type { Batch } from '../src/calibration/stream.js';
import { streamMoments, type StreamGraph } from '../src/calibration/stream.js';
import { ValueCache } from '../src/calibration/value-cache.js';
import type { FeatureSource } from '../src/calibration/instrument.js';
import { keptIndices } from '../src/channels/keep.js';
import { label } from '../src/channels/tracker.js';
import { FIXED, type ChannelAnalysis, type Consumer } from '../src/channels/types.js';
import { addToBias, held, readBias, readWeight, writeWeight } from '../src/channels/weights.js';
import { makeNode } from '../src/graph/attributes.js';
import { cloneModel } from '../src/graph/edit.js';
import { extract, renameNode, type Extract } from '../src/graph/extract.js';
import type { Model, Node } from '../src/graph/ir.js';
import type { DataType, Tensor } from '../src/graph/tensor.js';
import { int64Tensor } from '../src/graph/tensor-data.js';
import type { Blas } from '../src/runtime/blas.js';
import type { SessionOptions } from '../src/runtime/session.js';
import { refitCrossValidated, type Refit } from '../src/select/refit.js';
import type { Pass } from './pass.js';

export interface RefitContext {
  /** The model before the cut, in topological order. */
  readonly original: Model;
  readonly analysis: ChannelAnalysis;
  readonly keep: Uint8Array;
  /** Fitting rows, in batches; `fold` counts from 0. */
  readonly batches: readonly Batch[];
  readonly folds: number;
  /** See `StreamOptions.stack`. */
  readonly stack: number;
  readonly session: SessionOptions;
  readonly blas: Blas;
  /** Bytes for values kept between steps. */
  readonly memory: number;
  readonly onConsumer?: (consumer: Consumer, index: number, total: number) => void;
  /** Told what each fit gave. */
  readonly onFit?: (consumer: Consumer, fit: Refit) => void;
}

/** Prefix of the reduced model's values where both models run in one graph. */
const REDUCED = 'condense_reduced::';

export const refitInSequence: Pass<RefitContext> = {
  name: 'refit-in-sequence',
  description: 'solve each consumer against the original output from the already reduced inputs, in topological order',
  requires: 'a model cut by cut-channels, the original it was cut from, calibration rows',
  ensures: 'same shapes; only weights and biases of consumers changed',
  async run(model, context) {
    const consumers = affectedConsumers(model, context);
    if (consumers.length === 0) return { model, changed: false, notes: [] };
    const reduced = cloneModel(model);
    const cache = new ValueCache(context.memory);
    const notes: string[] = [];
    for (const [i, consumer] of consumers.entries()) {
      context.onConsumer?.(consumer, i, consumers.length);
      const step = new RefitStep(consumer, reduced, context, cache);
      const lambda = await step.run();
      notes.push(`${label(consumer.node)}: ridge ${lambda.toExponential(0)}`);
      cache.keepOnly(stillNeeded(consumers.slice(i + 1), reduced, context.original, cache.names));
    }
    return { model: reduced, changed: true, notes };
  },
};

/** Consumers whose input in the reduced model is not what it was: cut themselves, or behind one that is. */
function affectedConsumers(reduced: Model, { analysis, keep }: RefitContext): Consumer[] {
  const byOutput = new Map(analysis.consumers.map((c) => [c.output, c]));
  const changed = new Set<string>();
  const affected: Consumer[] = [];
  for (const node of reduced.graph.nodes) {
    const consumer = byOutput.get(node.outputs[0] ?? '');
    const cut = consumer !== undefined && consumer.features.some((f) => f !== FIXED && keep[f] !== 1);
    if (!cut && !node.inputs.some((name) => changed.has(name))) continue;
    for (const name of node.outputs) changed.add(name);
    if (consumer !== undefined) affected.push(consumer);
  }
  return affected;
}

/** Cached names that some later step starts from. */
function stillNeeded(
  rest: readonly Consumer[],
  reduced: Model,
  original: Model,
  cached: ReadonlySet<string>,
): Set<string> {
  const needed = new Set<string>();
  const inReduced = unprefixed(cached);
  for (const consumer of rest) {
    for (const name of extract(original.graph, [consumer.output], cached).reads) needed.add(name);
    for (const name of extract(reduced.graph, [consumer.input], inReduced).reads) needed.add(REDUCED + name);
  }
  return needed;
}

function unprefixed(cached: ReadonlySet<string>): Set<string> {
  return new Set([...cached].filter((n) => n.startsWith(REDUCED)).map((n) => n.slice(REDUCED.length)));
}

class RefitStep {
  constructor(
    private readonly consumer: Consumer,
    private readonly reduced: Model,
    private readonly context: RefitContext,
    private readonly cache: ValueCache,
  ) {}

  /** Fits the consumer in place; returns the ridge that was chosen. */
  async run(): Promise<number> {
    const { consumer, context, reduced } = this;
    const centred = consumer.bias.kind !== 'none';
    const { graph, x, z, keep } = this.buildGraph();
    const result = await streamMoments(
      graph,
      [{ key: label(consumer.node), x, z }],
      this.cache.attach(context.batches),
      {
        ...context.session,
        folds: context.folds,
        stack: context.stack,
        keep,
      },
    );
    this.cache.store(result.kept);
    const folds = result.moments.get(label(consumer.node))!.filter((f) => f.rows > 0);
    const start = readWeight(reduced, consumer);
    const fit = await refitCrossValidated(folds, start, { centred, blas: context.blas });
    writeWeight(reduced, consumer, fit.weight);
    if (centred) {
      // Gemm's output includes its bias, MatMul's does not: the fitted constant replaces the bias in the first case and adds to it otherwise.
      const old = consumer.node.opType === 'Gemm' ? readBias(reduced, consumer, fit.weight.rows) : undefined;
      const delta = old === undefined ? this.addedConstant(fit.constant) : fit.constant.map((c, i) => c - old[i]!);
      addToBias(reduced, consumer, delta);
    }
    context.onFit?.(consumer, fit);
    return fit.lambda;
  }

  /** For MatMul + Add the fit's constant is relative to a product without bias; what absorption already put into the bias has to go. */
  private addedConstant(constant: Float64Array): Float64Array {
    const { consumer, context, reduced } = this;
    const map = context.analysis.values.get(consumer.output);
    const now = readBias(reduced, consumer, constant.length);
    const before = readBias(context.original, consumer, map?.channels.length ?? constant.length);
    const kept = map === undefined ? undefined : keptIndices(map.channels, context.keep);
    return constant.map((c, i) => before[kept === undefined ? i : kept[i]!]! + c - now[i]!);
  }

  /** One graph that holds the original model up to z and the reduced one up to x', both from what is cached. */
  private buildGraph(): {
    graph: StreamGraph;
    x: FeatureSource;
    z: FeatureSource;
    keep: { name: string; dtype: DataType }[];
  } {
    const { consumer, context, reduced, cache } = this;
    const { original, analysis } = context;
    const dtype = held(original.graph, consumer.weight).dtype;
    const left = extract(original.graph, [consumer.output], cache.names);
    const right = extract(reduced.graph, [consumer.input], unprefixed(cache.names));
    const modelInputs = new Set(original.graph.inputs.map((i) => i.name));
    const rename = (name: string): string =>
      modelInputs.has(name) && !reduced.graph.initializers.has(name) ? name : REDUCED + name;

    const nodes: Node[] = [...left.nodes, ...right.nodes.map((n) => renameNode(n, rename))];
    const initializers: Tensor[] = [
      ...constantsRead(original, left),
      ...constantsRead(reduced, right).map((t) => ({ ...t, name: rename(t.name), origin: undefined })),
    ];
    const inputs = [...new Set([...left.reads, ...[...right.reads].map(rename)])].flatMap((name) => {
      if (original.graph.initializers.has(name) || initializers.some((t) => t.name === name)) return [];
      const info = original.graph.inputs.find((i) => i.name === name);
      return [
        { name, dtype: info?.dtype ?? cache.dtype(name) ?? dtype, rank: info?.shape?.length ?? cache.rank(name) ?? 2 },
      ];
    });

    const rank = consumer.rank;
    const map = analysis.values.get(consumer.output);
    const xName = rename(consumer.input);
    let zName = consumer.output;
    const outputs = map === undefined ? undefined : keptIndices(map.channels, context.keep);
    if (outputs !== undefined && outputs.length < map!.channels.length) {
      const indices = int64Tensor('condense_target_kept', [outputs.length], outputs);
      zName = 'condense_target';
      initializers.push(indices);
      nodes.push(makeNode('Gather', [consumer.output, indices.name], [zName], { axis: consumer.outputAxis }));
    }
    const weight = readWeight(reduced, consumer);
    const keep = [consumer.output, xName].filter((name) => !modelInputs.has(name)).map((name) => ({ name, dtype }));
    return {
      graph: { base: original, nodes, initializers, inputs },
      x: { value: xName, axis: consumer.featureAxis, rank, features: weight.cols, dtype },
      z: { value: zName, axis: consumer.outputAxis, rank, features: weight.rows, dtype },
      keep: keep.filter(({ name }) => !cache.names.has(name)),
    };
  }
}

function constantsRead(model: Model, part: Extract): Tensor[] {
  return [...part.reads].flatMap((name) => model.graph.initializers.get(name) ?? []);
}
