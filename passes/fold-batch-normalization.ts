/**
 * Folds BatchNormalization into the Conv, ConvTranspose or Gemm in front of it:
 *
 *     s = γ / √(σ² + ε),   W' = s ⊙ W,   b' = s ⊙ (b − μ) + β
 *
 * computed in float64 and exact to rounding. Left alone: where something else reads the raw output, where weights are shared or not constant,
 * and in training mode. The node in front takes over the name of the normalised output.
 */
import { label } from '../src/channels/tracker.js';
import { floatAttribute, intAttribute } from '../src/graph/attributes.js';
import {
  addInitializer,
  allNames,
  cloneModel,
  deleteNewlyDead,
  replaceConstant,
  uniqueName,
} from '../src/graph/edit.js';
import type { Model, Node } from '../src/graph/ir.js';
import { elementCount, type Tensor } from '../src/graph/tensor.js';
import { floatTensor, toFloat64 } from '../src/graph/tensor-data.js';
import { constantAt, UseIndex, type ConstantHolder } from '../src/graph/uses.js';
import type { Pass } from './pass.js';

type FloatType = 'float32' | 'float64' | 'float16';
const FLOATS: ReadonlySet<string> = new Set(['float32', 'float64', 'float16']);

export const foldBatchNormalization: Pass<undefined> = {
  name: 'fold-batch-normalization',
  description: 'fold BatchNormalization into the weights of the Conv, ConvTranspose or Gemm in front of it',
  requires: 'topological order',
  ensures: 'outputs equal to rounding; folded nodes are gone, every other node keeps its name',
  run(model) {
    const folded = cloneModel(model);
    const notes: string[] = [];
    for (const node of [...folded.graph.nodes]) {
      if (node.domain !== '' || node.opType !== 'BatchNormalization') continue;
      if (fold(folded, node)) notes.push(label(node));
    }
    if (notes.length === 0) return { model, changed: false, notes: [] };
    deleteNewlyDead(folded.graph, model.graph);
    return { model: folded, changed: true, notes };
  },
};

function fold(model: Model, normalization: Node): boolean {
  const { graph } = model;
  const index = new UseIndex(graph);
  const [input = ''] = normalization.inputs;
  const maker = index.producer(input)?.node;
  if (maker === undefined || maker.domain !== '' || maker.outputs[0] !== input) return false;
  if (index.uses(input).length !== 1 || index.isGraphOutput(input)) return false;
  if (intAttribute(normalization, 'training_mode', 0) !== 0 || normalization.outputs.slice(1).some((o) => o !== ''))
    return false;
  const outputAxis = weightOutputAxis(maker);
  const weight = constantAt(index, maker.inputs[1] ?? '');
  if (outputAxis === undefined || weight === undefined || !FLOATS.has(weight.tensor.dtype)) return false;
  if (!ownedBy(index, weight, maker.inputs[1]!)) return false;
  const biasName = maker.inputs[2] ?? '';
  const bias = constantAt(index, biasName);
  if (biasName !== '' && (bias === undefined || !ownedBy(index, bias, biasName))) return false;

  const parameters = normalization.inputs.slice(1, 5).map((name) => index.constant(name));
  if (parameters.length < 4 || parameters.some((p) => p === undefined)) return false;
  const [gamma, beta, mean, variance] = parameters.map((p) => toFloat64(p!)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const { dims } = weight.tensor;
  const group = maker.opType === 'ConvTranspose' ? intAttribute(maker, 'group', 1) : 1;
  const outputs = gamma.length;
  // A transposed convolution in groups holds its outputs per group on the second axis.
  if (group !== 1 || dims[outputAxis] !== outputs) return false;
  const biasLength = bias === undefined ? 0 : elementCount(bias.tensor.dims);
  // A Gemm may also add a column, or a matrix: no bias.
  if (bias !== undefined && biasLength !== 1 && (biasLength !== outputs || bias.tensor.dims.at(-1) !== outputs))
    return false;

  const epsilon = floatAttribute(normalization, 'epsilon', 1e-5);
  const scale = gamma.map((g, o) => g / Math.sqrt(variance[o]! + epsilon));
  const inner = elementCount(dims.slice(outputAxis + 1));
  const values = toFloat64(weight.tensor).map((w, i) => w * scale[Math.floor(i / inner) % outputs]!);
  replaceConstant(graph, weight.name, like(weight.tensor, dims, values));

  const alpha = maker.opType === 'Gemm' ? floatAttribute(maker, 'beta', 1) : 1;
  const old = bias === undefined ? new Float64Array(1) : toFloat64(bias.tensor);
  const shifted = scale.map((s, o) => (s * (alpha * old[old.length === 1 ? 0 : o]! - mean[o]!) + beta[o]!) / alpha);
  if (bias !== undefined) {
    const shape = biasLength === outputs ? bias.tensor.dims : [outputs];
    replaceConstant(graph, bias.name, like(bias.tensor, shape, shifted));
  } else {
    const name = uniqueName(`${weight.name}_bias`, allNames(model));
    const { dtype } = weight.tensor;
    addInitializer(model, floatTensor(name, [outputs], dtype as FloatType, shifted));
    while (maker.inputs.length < 2) maker.inputs.push('');
    maker.inputs[2] = name;
  }
  maker.formerOutput ??= input;
  maker.outputs[0] = normalization.outputs[0]!;
  graph.nodes = graph.nodes.filter((n) => n !== normalization);
  graph.valueInfo = graph.valueInfo.filter((v) => v.name !== input);
  return true;
}

/** The axis of the stored weight along which the outputs run; undefined for other operators and forms that cannot take a bias. */
function weightOutputAxis(node: Node): number | undefined {
  if (node.opType === 'Conv') return 0;
  if (node.opType === 'ConvTranspose') return 1;
  if (node.opType !== 'Gemm' || floatAttribute(node, 'beta', 1) === 0) return undefined;
  return intAttribute(node, 'transB', 0) !== 0 ? 0 : 1;
}

/** Whether a constant is read at one place only, so that it may change. */
function ownedBy(index: UseIndex, holder: ConstantHolder, name: string): boolean {
  return name === holder.name && index.uses(holder.name).length === 1 && !index.isGraphOutput(holder.name);
}

function like(tensor: Tensor, dims: readonly number[], values: Float64Array): Tensor {
  return floatTensor(tensor.name, dims, tensor.dtype as FloatType, values);
}
