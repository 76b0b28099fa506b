/**
 * The graph of one training step: the student, its loss against targets, and the gradient of that loss with respect to its weights, which are inputs.
 *
 *     L = 1/m Σ_outputs mean ((y − t) / σ)²,     ∂L/∂y = 2 (y − t) / (m N σ²)
 *
 * with σ the standard deviation of the teacher's output (of each column where it has rank 2) and N the number of its elements.
 */
import { backwardGraph, type GradientStop } from '../autodiff/gradients.js';
import { skeleton } from '../calibration/instrument.js';
import { makeNode } from '../graph/attributes.js';
import { allNames, uniqueName } from '../graph/edit.js';
import type { Model, Node } from '../graph/ir.js';
import { elementCount, type Tensor } from '../graph/tensor.js';
import { floatTensor } from '../graph/tensor-data.js';
import { UseIndex } from '../graph/uses.js';

/** Places of weights and biases: operator and number of the input. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  Gemm: [1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  MatMul: [0, 1],
};

/** Initializers that are trained: float32 weights of the layers, their biases, and what is added right behind a MatMul. */
export function trainableWeights({ graph }: Model): string[] {
  const index = new UseIndex(graph);
  const found = new Set<string>();
  const take = (name: string | undefined): void => {
    const tensor = name === undefined ? undefined : graph.initializers.get(name);
    if (tensor?.dtype === 'float32' && elementCount(tensor.dims) > 1) found.add(tensor.name);
  };
  for (const { domain, opType, inputs } of graph.nodes) {
    if (domain !== '') continue;
    for (const i of WEIGHTS[opType] ?? []) take(inputs[i]);
    if (opType !== 'Add') continue;
    if (inputs.some((name) => index.producer(name)?.node.opType === 'MatMul')) inputs.forEach(take);
  }
  return [...found];
}

/** What is known of an output of the teacher. */
export interface TargetScale {
  readonly output: string;
  /** Standard deviations: one for each column, or one for all elements. */
  readonly deviations: Float64Array;
}

/** A graph that gives the loss and its gradient; feeds are the model's inputs, its weights and its targets. */
export interface TrainingGraph {
  readonly model: Model;
  readonly weights: readonly string[];
  /** Input for the target of each output. */
  readonly targets: ReadonlyMap<string, string>;
  readonly loss: string;
  /** Output by weight. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly stops: readonly GradientStop[];
}

/**
 * Makes the training graph of a student.
 * @param shapes of its values for the batch that is trained on
 * @param scales of the outputs that count
 */
export function trainingGraph(
  student: Model,
  shapes: ReadonlyMap<string, readonly number[]>,
  scales: readonly TargetScale[],
): TrainingGraph {
  const { graph } = student;
  const taken = allNames(student);
  const weights = trainableWeights(student);
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  const add = (opType: string, inputs: string[], attributes = {}): string => {
    const output = uniqueName('train', taken);
    nodes.push(makeNode(opType, inputs, [output], attributes));
    return output;
  };
  const constant = (values: Float64Array, dims: readonly number[]): string => {
    const tensor = floatTensor(uniqueName('train', taken), dims, 'float32', values);
    initializers.push(tensor);
    return tensor.name;
  };
  const number = (value: number): string => constant(Float64Array.of(value), []);
  const targets = new Map<string, string>();
  const seeds = new Map<string, string>();
  const losses = scales.map(({ output, deviations }) => {
    const dims = shapes.get(output)!;
    const target = uniqueName('target', taken);
    targets.set(output, target);
    const inverse = constant(
      deviations.map((d) => (d > 0 ? 1 / d : 0)),
      deviations.length === 1 ? [] : [deviations.length],
    );
    const error = add('Mul', [add('Sub', [output, target]), inverse]);
    const factor = number(2 / (scales.length * elementCount(dims)));
    seeds.set(output, add('Mul', [add('Mul', [error, inverse]), factor]));
    return add('ReduceMean', [add('Mul', [error, error])], { keepdims: 0 });
  });
  const sum = losses.reduce((a, b) => add('Add', [a, b]));
  const loss = add('Mul', [sum, number(1 / scales.length)]);
  const backward = backwardGraph(student, { seeds, wanted: weights, shapes, taken });
  const trained = weights.filter((name) => backward.gradients.has(name));
  const isTrained = new Set(trained);
  const model = skeleton(student, {
    nodes: [...graph.nodes, ...nodes, ...backward.nodes],
    initializers: [
      ...[...graph.initializers.values()].filter((t) => !isTrained.has(t.name)),
      ...initializers,
      ...backward.initializers,
    ],
    inputs: [
      ...graph.inputs
        .filter((i) => !graph.initializers.has(i.name))
        .map((i) => ({
          name: i.name,
          dtype: i.dtype ?? 'float32',
          ...(i.shape === undefined ? {} : { rank: i.shape.length }),
        })),
      ...trained.map((name) => ({ name, dtype: 'float32' as const, rank: graph.initializers.get(name)!.dims.length })),
      ...[...targets].map(([output, name]) => ({ name, dtype: 'float32' as const, rank: shapes.get(output)!.length })),
    ],
    outputs: [loss, ...trained.map((name) => backward.gradients.get(name)!)].map((name) => ({
      name,
      dtype: 'float32',
    })),
  });
  return { model, weights: trained, targets, loss, gradients: backward.gradients, stops: backward.stops };
}
