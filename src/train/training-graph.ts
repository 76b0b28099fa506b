/** The graph of one training step: the student, its loss against targets, and the gradient of that loss with respect to its weights, which are inputs. */
import { backwardGraph, type GradientStop } from '../autodiff/gradients.js';
import { skeleton } from '../calibration/instrument.js';
import { makeNode } from '../graph/attributes.js';
import { allNames, uniqueName } from '../graph/edit.js';
import type { Model, Node } from '../graph/ir.js';
import type { Tensor } from '../graph/tensor.js';
import { floatTensor, toFloat32 } from '../graph/tensor-data.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import { lossNodes, type GraphWriter, type OutputLoss } from './losses.js';

/** Places of the matrices of layers, and of their biases and of what scales, shifts and bends values: operator and number of the input. */
const MATRICES: Readonly<Record<string, readonly number[]>> = {
  Gemm: [1],
  Conv: [1],
  ConvTranspose: [1],
  MatMul: [0, 1],
};
const VECTORS: Readonly<Record<string, readonly number[]>> = {
  Gemm: [2],
  Conv: [2],
  ConvTranspose: [2],
  LayerNormalization: [1, 2],
  BatchNormalization: [1, 2],
  PRelu: [1],
};

/**
 * Constants that are trained, in float32: matrices of layers, their biases and what is added right behind a MatMul with a weight, scales and shifts of
 * normalisations, slopes. A constant that is not finite (a mask) is no weight.
 * @returns the constant by the name that holds it: an initializer's, or a Constant node's output
 */
export function trainableWeights({ graph }: Model): Map<string, Tensor> {
  const index = new UseIndex(graph);
  const found = new Map<string, Tensor>();
  const take = (name: string | undefined): void => {
    const held = name === undefined ? undefined : constantAt(index, name);
    if (held?.tensor.dtype === 'float32' && toFloat32(held.tensor).every(Number.isFinite))
      found.set(held.name, held.tensor);
  };
  for (const { domain, opType, inputs } of graph.nodes) {
    if (domain !== '') continue;
    for (const i of [...(MATRICES[opType] ?? []), ...(VECTORS[opType] ?? [])]) take(inputs[i]);
    if (opType !== 'Add') continue;
    const behind = inputs.some((name) => {
      const maker = index.producer(name)?.node;
      return maker?.opType === 'MatMul' && maker.inputs.some((i) => constantAt(index, i) !== undefined);
    });
    if (behind) inputs.forEach(take);
  }
  return found;
}

/** Constants that are matrices of layers: they alone decay, as is usual, not biases, scales and slopes. */
function layerMatrices({ graph }: Model): string[] {
  const index = new UseIndex(graph);
  const matrices = graph.nodes.flatMap(({ domain, opType, inputs }) =>
    domain === '' ? (MATRICES[opType] ?? []).map((i) => inputs[i] ?? '') : [],
  );
  return matrices.flatMap((name) => constantAt(index, name)?.name ?? []);
}

/** Graphs whose feeds are the model's inputs, its weights and its targets. */
export interface TrainingGraph {
  /** Gives the loss and its gradient, for the batch that it was made for. */
  readonly model: Model;
  /** Gives the loss alone, for any batch. */
  readonly evaluation: Model;
  /** Those that a gradient reaches, as they are at the start. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Those of them that weight decay takes from. */
  readonly decaying: ReadonlySet<string>;
  /** Value of the teacher by the input that takes it. */
  readonly targets: ReadonlyMap<string, string>;
  readonly loss: string;
  /** Output by weight. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly stops: readonly GradientStop[];
}

/**
 * Makes the training graph of a student.
 * @param shapes of its values for the batch that is trained on
 * @param losses of the values that count
 */
export function trainingGraph(
  student: Model,
  shapes: ReadonlyMap<string, readonly number[]>,
  losses: readonly OutputLoss[],
): TrainingGraph {
  const { graph } = student;
  const taken = allNames(student);
  const initializers: Tensor[] = [];
  let made = 0;
  const fresh = (): string => uniqueName(`train_${made++}`, taken);
  const writerTo = (nodes: Node[]): GraphWriter => ({
    add: (opType, inputs, attributes = {}) => {
      const output = fresh();
      nodes.push(makeNode(opType, [...inputs], [output], attributes));
      return output;
    },
    constant: (values, dims) => {
      const tensor = floatTensor(fresh(), dims, 'float32', values);
      initializers.push(tensor);
      return tensor.name;
    },
  });
  const lossPart: Node[] = [];
  const seedPart: Node[] = [];
  const [write, seed] = [writerTo(lossPart), writerTo(seedPart)];
  const targets = new Map<string, string>();
  const dimsOf = new Map<string, readonly number[]>();
  const seeds = new Map<string, string>();
  const parts = losses.map((loss) => {
    const target = uniqueName('target', taken);
    targets.set(target, loss.of);
    dimsOf.set(target, shapes.get(loss.output)!);
    const nodes = lossNodes(loss, target, shapes.get(loss.output)!, write);
    seeds.set(loss.output, nodes.gradient(seed));
    return nodes.loss;
  });
  const loss = parts.reduce((a, b) => write.add('Add', [a, b]));
  const trainable = trainableWeights(student);
  const backward = backwardGraph(student, { seeds, wanted: [...trainable.keys()], shapes, taken });
  const { gradients, stops } = backward;
  const weights = new Map([...trainable].filter(([name]) => gradients.has(name)));
  const inputs = [
    ...graph.inputs
      .filter((i) => !graph.initializers.has(i.name))
      .map((i) => ({
        name: i.name,
        dtype: i.dtype ?? ('float32' as const),
        ...(i.shape === undefined ? {} : { rank: i.shape.length }),
      })),
    ...[...weights].map(([name, { dims }]) => ({ name, dtype: 'float32' as const, rank: dims.length })),
    ...[...dimsOf].map(([name, dims]) => ({ name, dtype: 'float32' as const, rank: dims.length })),
  ];
  const constants = [...graph.initializers.values()].filter((t) => !weights.has(t.name));
  const isWeight = (n: Node): boolean => n.opType === 'Constant' && weights.has(n.outputs[0] ?? '');
  const graphOf = (nodes: readonly Node[], more: readonly Tensor[], outputs: readonly string[]): Model =>
    skeleton(student, {
      nodes: [...graph.nodes.filter((n) => !isWeight(n)), ...nodes],
      initializers: [...constants, ...initializers, ...more],
      inputs,
      outputs: outputs.map((name) => ({ name, dtype: 'float32' as const })),
    });
  return {
    model: graphOf([...lossPart, ...seedPart, ...backward.nodes], backward.initializers, [loss, ...gradients.values()]),
    evaluation: graphOf(lossPart, [], [loss]),
    weights,
    decaying: new Set(layerMatrices(student).filter((name) => weights.has(name))),
    targets,
    loss,
    gradients,
    stops,
  };
}
