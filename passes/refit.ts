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
import { Moments } from '../src/calibration/moments.js';
import type { Batch } from '../src/calibration/stream.js';
import { streamMoments, type StreamGraph } from '../src/calibration/stream.js';
import { ValueCache } from '../src/calibration/value-cache.js';
import type { FeatureSource } from '../src/calibration/instrument.js';
import { pooledSampling, positionsPerRow, type Sampling } from '../src/calibration/positions.js';
import { keptIndices } from '../src/channels/keep.js';
import { label } from '../src/channels/tracker.js';
import { FIXED, type ChannelAnalysis, type Consumer, type Kernel, type WeightView } from '../src/channels/types.js';
import { addToBias, held, perOutput, readBias, readWeight, tapsOf, writeWeight } from '../src/channels/weights.js';
import { makeNode } from '../src/graph/attributes.js';
import { cloneModel } from '../src/graph/edit.js';
import { extract, renameNode, type Extract } from '../src/graph/extract.js';
import type { Model, Node } from '../src/graph/ir.js';
import { transpose, type Matrix } from '../src/linalg/matrix.js';
import { elementCount, type DataType, type Tensor } from '../src/graph/tensor.js';
import { floatTensor, int64Tensor } from '../src/graph/tensor-data.js';
import { UseIndex } from '../src/graph/uses.js';
import type { Blas } from '../src/runtime/blas.js';
import type { SessionOptions } from '../src/runtime/session.js';
import { refitCrossValidated, type HeldFold, type Refit } from '../src/select/refit.js';
import type { Pass } from './pass.js';

export interface RefitContext {
  /** The model before the cut, in topological order. */
  readonly original: Model;
  readonly analysis: ChannelAnalysis;
  readonly keep: Uint8Array;
  /** The model as it was cut with what rows outside of one fold gave, and that fold: the ridge is chosen on it. */
  readonly held?: { readonly fold: number; readonly cut: Model; readonly fitted: boolean } | undefined;
  /** Fitting rows, in batches; `fold` counts from 0. */
  readonly batches: readonly Batch[];
  readonly folds: number;
  /** See `StreamOptions.stack`. */
  readonly stack: number;
  readonly session: SessionOptions;
  readonly blas: Blas;
  /** Bytes that the whole program should stay within. */
  readonly memory: number;
  /** Shapes of the original's values, for `probed` rows. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly probed: number;
  /** Positions of each row that a convolution is fitted on; found from the rows when undefined. */
  readonly positions: number | undefined;
  readonly onConsumer?: (consumer: Consumer, index: number, total: number) => void;
  /** Told what each fit gave. */
  readonly onFit?: (consumer: Consumer, fit: Refit) => void;
}

/** Share of the memory that values kept between steps may take: moments, a run's activations and the program itself need the rest. */
const CACHE_SHARE = 1 / 4;

/** Prefix of the reduced model's values where both models run in one graph. */
const REDUCED = 'condense_reduced::';

export const refitInSequence: Pass<RefitContext> = {
  name: 'refit-in-sequence',
  description: 'solve each consumer against the original output from the already reduced inputs, in topological order',
  requires: 'a model cut by cut-channels, the original it was cut from, calibration rows',
  ensures: 'same shapes; only weights and biases of consumers changed',
  async run(model, context) {
    const { consumers, changed } = affectedConsumers(model, context);
    if (consumers.length === 0) return { model, changed: false, notes: [] };
    const reduced = cloneModel(model);
    const cache = new ValueCache(context.memory * CACHE_SHARE);
    const notes: string[] = [];
    for (const [i, consumer] of consumers.entries()) {
      context.onConsumer?.(consumer, i, consumers.length);
      const rest = consumers.slice(i + 1);
      if (fitShape(consumer) === undefined) {
        notes.push(`${label(consumer.node)}: not refitted, its taps overlap or are too many`);
        continue;
      }
      const shortcut =
        consumer.pooled === undefined ? shortcutBehind(consumer, rest, reduced, context, changed) : undefined;
      const lambda = await new RefitStep(consumer, reduced, context, cache, shortcut).run();
      notes.push(`${label(consumer.node)}: ridge ${lambda.toExponential(0)}`);
      cache.keepOnly(stillNeeded(rest, reduced, context.original, cache.names));
    }
    return { model: reduced, changed: true, notes };
  },
};

/** Consumers whose input in the reduced model is not what it was (cut themselves, or behind one that is), and all values that are not. */
function affectedConsumers(
  reduced: Model,
  { analysis, keep }: RefitContext,
): { readonly consumers: Consumer[]; readonly changed: ReadonlySet<string> } {
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
  return { consumers: affected, changed };
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
    const target = consumer.pooled === undefined ? consumer.output : consumer.input;
    for (const name of extract(original.graph, [target], cached).reads) needed.add(name);
    for (const name of extract(reduced.graph, [consumer.input], inReduced).reads) needed.add(REDUCED + name);
  }
  return needed;
}

function unprefixed(cached: ReadonlySet<string>): Set<string> {
  return new Set([...cached].filter((n) => n.startsWith(REDUCED)).map((n) => n.slice(REDUCED.length)));
}

class RefitStep {
  private readonly fit: FitShape;

  constructor(
    private readonly consumer: Consumer,
    private readonly reduced: Model,
    private readonly context: RefitContext,
    private readonly cache: ValueCache,
    private readonly shortcut: Shortcut | undefined,
  ) {
    this.fit = fitShape(consumer)!;
  }

  /** Fits the consumer in place; returns the ridge that was chosen. */
  async run(): Promise<number> {
    const { consumer, context, reduced, fit: shape } = this;
    const centred = consumer.bias.kind !== 'none';
    const { graph, x, z, keep } = this.buildGraph();
    const sampling = this.sampling(x.features);
    const request = { key: label(consumer.node), x, z, ...(sampling === undefined ? {} : { sampling }) };
    const result = await streamMoments(graph, [request], this.cache.attach(context.batches), {
      ...context.session,
      folds: context.folds,
      stack: context.stack,
      keep,
    });
    this.cache.store(result.kept);
    const found = result.moments.get(request.key)!;
    const folds = context.held === undefined ? found.filter((f) => f.rows > 0) : found;
    const start = readWeight(reduced, consumer, shape.view);
    const held =
      context.held === undefined
        ? undefined
        : { ...context.held, start: readWeight(context.held.cut, consumer, shape.view) };
    if (consumer.kernel?.transposed === true) return this.fitTaps(folds, start, held);
    const fit = await refitCrossValidated(folds, start, { centred, blas: context.blas, held });
    writeWeight(reduced, consumer, fit.weight, shape.view);
    if (centred) addToBias(reduced, consumer, this.addedConstant(fit.constant));
    context.onFit?.(consumer, fit);
    return fit.lambda;
  }

  /**
   * A transposed convolution has one constant for all its taps, which are fitted apart. So the constant stays what it is, b₀, while
   * z − b₀ is fitted without one; then it takes up the mean of what is left over all taps.
   */
  private async fitTaps(folds: readonly Moments[], start: Matrix, held: HeldFold | undefined): Promise<number> {
    const { consumer, context, reduced } = this;
    const taps = tapsOf(consumer);
    const bias = readBias(reduced, consumer, start.rows / taps);
    const offset = Float64Array.from({ length: start.rows }, (_, r) => bias[Math.floor(r / taps)]!);
    const shifted = folds.map((f) => f.withTargetMinus(offset));
    const fit = await refitCrossValidated(shifted, start, { centred: false, blas: context.blas, held });
    writeWeight(reduced, consumer, fit.weight, 'channels');
    if (consumer.bias.kind !== 'none') {
      const total = Moments.total(shifted);
      const mean = await context.blas.gemm(fit.weight, { rows: total.n, cols: 1, data: total.meanX() });
      const rest = total.meanZ().map((z, r) => (z - mean.data[r]!) / taps);
      addToBias(reduced, consumer, perOutput(consumer, rest));
    }
    context.onFit?.(consumer, fit);
    return fit.lambda;
  }

  /** Which positions of the maps are rows. */
  private sampling(features: number): Sampling | undefined {
    const { kernel } = this.consumer;
    const { context } = this;
    const rows = context.batches.reduce((sum, b) => sum + b.rows.length, 0);
    const count = positionsPerRow(features, rows, context.positions);
    if (kernel === undefined) return pooledSampling(this.consumer, count);
    if (!kernel.transposed) return { count, map: kernel.output, patch: kernel, patched: 'x' };
    // The taps of a transposed convolution that do not overlap are a patch of its output.
    const zeros = kernel.shape.map(() => 0);
    const patch: Kernel = {
      ...kernel,
      transposed: false,
      padsBegin: zeros,
      padsEnd: zeros,
      input: kernel.output,
      output: kernel.input,
    };
    return { count, map: kernel.input, patch, patched: 'z' };
  }

  /**
   * What has to be added to the bias. The output of a Gemm or Conv includes the bias: the fitted constant replaces it. That of a MatMul does not:
   * the constant adds to it, and what absorption already put there goes; unless the target is a sum further on, behind the bias.
   */
  private addedConstant(constant: Float64Array): Float64Array {
    const { consumer, context, reduced } = this;
    const now = readBias(reduced, consumer, constant.length);
    if (consumer.node.opType !== 'MatMul' || this.shortcut !== undefined) return constant.map((c, i) => c - now[i]!);
    const map = context.analysis.values.get(consumer.output);
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
    const { consumer, context, reduced, cache, shortcut, fit } = this;
    const { original, analysis } = context;
    const dtype = held(original.graph, consumer.weight).dtype;
    const atPositions = consumer.pooled === undefined ? undefined : this.outputAtPositions(dtype);
    const target = shortcut?.sum ?? (atPositions === undefined ? consumer.output : consumer.input);
    const left = extract(original.graph, [target], cache.names);
    const right = extract(
      reduced.graph,
      shortcut === undefined ? [consumer.input] : [consumer.input, shortcut.other],
      unprefixed(cache.names),
    );
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
    const xName = rename(consumer.input);
    const zAxis = atPositions === undefined ? consumer.outputAxis : consumer.featureAxis;
    nodes.push(...(atPositions?.nodes ?? []));
    initializers.push(...(atPositions?.initializers ?? []));
    let zName = atPositions?.value ?? target;
    const map = analysis.values.get(shortcut?.sum ?? consumer.output);
    const outputs = map === undefined ? undefined : keptIndices(map.channels, context.keep);
    if (outputs !== undefined && outputs.length < map!.channels.length) {
      const indices = int64Tensor('condense_target_kept', [outputs.length], outputs);
      initializers.push(indices);
      nodes.push(makeNode('Gather', [zName, indices.name], ['condense_target'], { axis: zAxis }));
      zName = 'condense_target';
    }
    if (shortcut !== undefined) {
      nodes.push(makeNode('Sub', [zName, rename(shortcut.other)], ['condense_target_rest']));
      zName = 'condense_target_rest';
    }
    const weight = readWeight(reduced, consumer, fit.view);
    const keep = [target === consumer.input ? target : consumer.output, xName]
      .filter((name) => !modelInputs.has(name) && !cache.names.has(name) && this.fits(name))
      .map((name) => ({ name, dtype }));
    return {
      graph: { base: original, nodes, initializers, inputs },
      x: { value: xName, axis: consumer.featureAxis, rank, features: weight.cols, dtype },
      z: { value: zName, axis: zAxis, rank, features: weight.rows, dtype },
      keep,
    };
  }

  /** What the original consumer would make of single positions of the map that it reads the mean of. */
  private outputAtPositions(dtype: DataType): { value: string; nodes: Node[]; initializers: Tensor[] } {
    const { consumer, context } = this;
    const { rows, cols, data } = readWeight(context.original, consumer, 'channels');
    const onAxis1 = consumer.featureAxis === 1;
    const ones = new Array<number>(consumer.rank - 2).fill(1);
    const type = dtype as 'float32' | 'float16';
    const W = onAxis1
      ? floatTensor('condense_position_weight', [rows, cols, ...ones], type, data)
      : floatTensor('condense_position_weight', [cols, rows], type, transpose({ rows, cols, data }).data);
    // The output of a MatMul comes before its bias.
    const b = floatTensor(
      'condense_position_bias',
      [rows],
      type,
      consumer.node.opType === 'MatMul' ? new Float64Array(rows) : readBias(context.original, consumer, rows),
    );
    const value = 'condense_position_output';
    const nodes = onAxis1
      ? [makeNode('Conv', [consumer.input, W.name, b.name], [value])]
      : [
          makeNode('MatMul', [consumer.input, W.name], [`${value}__raw`]),
          makeNode('Add', [`${value}__raw`, b.name], [value]),
        ];
    return { value, nodes, initializers: [W, b] };
  }

  /** Whether a value of all rows would fit into the cache, by its size in the original model. */
  private fits(name: string): boolean {
    const { shapes, probed, batches } = this.context;
    const dims = shapes.get(name.startsWith(REDUCED) ? name.slice(REDUCED.length) : name);
    if (dims === undefined) return true;
    const rows = batches.reduce((sum, b) => sum + b.rows.length, 0);
    return this.cache.fits((elementCount(dims) / probed) * rows * Float32Array.BYTES_PER_ELEMENT);
  }
}

function constantsRead(model: Model, part: Extract): Tensor[] {
  return [...part.reads].flatMap((name) => model.graph.initializers.get(name) ?? []);
}

/** How a consumer is fitted; undefined where its output is no linear function of features that can be gathered. */
interface FitShape {
  readonly view: WeightView;
}

function fitShape({ kernel, features }: Consumer): FitShape | undefined {
  if (kernel === undefined) return { view: 'channels' };
  const { shape, strides, dilations, padsBegin, padsEnd, transposed, input, output } = kernel;
  if (!transposed) return features.length * elementCount(shape) > MOST_FEATURES ? undefined : { view: 'patches' };
  const apart =
    shape.every((k, i) => k === strides[i] && output[i] === input[i]! * k) &&
    [...padsBegin, ...padsEnd].every((p) => p === 0) &&
    dilations.every((d) => d === 1);
  return apart ? { view: 'channels' } : undefined;
}

/** Features up to which a refit is worth its factorisations. */
const MOST_FEATURES = 6000;

/** An addition behind a consumer: `sum` = what the consumer computes + `other`. */
interface Shortcut {
  readonly sum: string;
  readonly other: string;
}

/**
 * The residual addition that a consumer's output goes into, where the other operand has already lost something: then the target is the
 * original's sum minus the reduced operand, so that the consumer makes up for that loss too. Only where nothing that is fitted later lies in
 * front of that operand.
 */
function shortcutBehind(
  consumer: Consumer,
  later: readonly Consumer[],
  reduced: Model,
  context: RefitContext,
  changed: ReadonlySet<string>,
): Shortcut | undefined {
  const { shapes, original } = context;
  const uses = new UseIndex(original.graph);
  let at = consumer.output;
  for (;;) {
    const [use, second] = uses.uses(at);
    if (use === undefined || second !== undefined || use.input < 0 || uses.isGraphOutput(at) || use.node.domain !== '')
      return undefined;
    const next = use.node.outputs[0]!;
    const passes = ['Identity', 'Dropout'].includes(use.node.opType);
    const other = use.node.opType === 'Add' ? use.node.inputs[1 - use.input]! : undefined;
    const biasAdd =
      other !== undefined &&
      uses.constant(other) !== undefined &&
      consumer.node.opType === 'MatMul' &&
      at === consumer.output;
    if (passes || biasAdd) {
      at = next;
      continue;
    }
    if (other === undefined || !changed.has(other) || other === at) return undefined;
    if (shapes.get(other)?.join() !== shapes.get(next)?.join() || shapes.get(at)?.join() !== shapes.get(next)?.join())
      return undefined;
    const upstream = new Set(extract(reduced.graph, [other], new Set()).nodes.flatMap((n) => n.outputs));
    return later.some((c) => upstream.has(c.output)) || upstream.has(consumer.output)
      ? undefined
      : { sum: next, other };
  }
}
