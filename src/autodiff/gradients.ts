/**
 * Reverse-mode differentiation of a graph into another graph of ordinary operators: for each node, from the last to the first, its rule turns the
 * gradients with respect to its outputs into those with respect to its inputs; where a value is read several times they add up.
 */
import { label } from '../channels/tracker.js';
import { makeNode } from '../graph/attributes.js';
import { uniqueName } from '../graph/edit.js';
import type { Model, Node } from '../graph/ir.js';
import { isFloat, type DataType, type Tensor } from '../graph/tensor.js';
import { floatTensor, int64Tensor, toFloat64 } from '../graph/tensor-data.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import { GRADIENT_RULES } from './rules.js';
import type { RuleContext } from './rule.js';

/** A node at which the gradient stops: what lies before it is not trained. */
export interface GradientStop {
  readonly node: string;
  readonly opType: string;
  /** Why, in the form "it …". */
  readonly reason: string;
}

/** The backward graph: nodes and constants to put behind those of the model. */
export interface BackwardGraph {
  readonly nodes: readonly Node[];
  readonly initializers: readonly Tensor[];
  /** The name of the gradient by that of the value it belongs to; values that no gradient reaches are missing. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly stops: readonly GradientStop[];
}

export interface GradientRequest {
  /** Gradients of the loss with respect to values of the model, by value: what the backward graph starts from. */
  readonly seeds: ReadonlyMap<string, string>;
  /** Initializers or inputs whose gradients are wanted. */
  readonly wanted: readonly string[];
  /** Shapes of every value, for the batch that is trained on. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Names that are taken, beside those of the model. New ones are added. */
  readonly taken: Set<string>;
}

/** Differentiates a model, whose nodes stand in topological order. */
export function backwardGraph(model: Model, { seeds, wanted, shapes, taken }: GradientRequest): BackwardGraph {
  const { graph } = model;
  const index = new UseIndex(graph);
  const opset = model.opsets.get('') ?? 1;
  const active = dependents(graph.nodes, wanted);
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  const stops: GradientStop[] = [];
  const gradients = new Map<string, string[]>();
  for (const [value, seed] of seeds) gradients.set(value, [seed]);
  let made = 0;
  const fresh = (): string => uniqueName(`gradient_${made++}`, taken);
  const dtypes = new Map(graph.inputs.map((i) => [i.name, i.dtype]));
  const dtypeOf = (value: string): DataType => index.constant(value)?.dtype ?? dtypes.get(value) ?? floatTypeOf(model);
  const shape = (value: string): readonly number[] => {
    const dims = shapes.get(value) ?? constantAt(index, value)?.tensor.dims;
    if (dims === undefined) throw new Error(`the shape of '${value}' is not known`);
    return dims;
  };
  const put = (tensor: Tensor): string => {
    initializers.push(tensor);
    return tensor.name;
  };
  const emit: RuleContext['emit'] = (opType, inputs, attributes = {}) => {
    const output = fresh();
    nodes.push(makeNode(opType, [...inputs], [output], attributes));
    return output;
  };
  /** The gradient with respect to a value, all that reached it added up. */
  const total = (value: string): string | undefined => {
    const parts = gradients.get(value) ?? [];
    if (parts.length < 2) return parts[0];
    const sum = parts.reduce((a, b) => emit('Add', [a, b]));
    gradients.set(value, [sum]);
    return sum;
  };

  for (const node of graph.nodes.toReversed()) {
    if (!node.inputs.some((input) => active.has(input))) continue;
    const outputGradients = node.outputs.map((output) => (output === '' ? undefined : total(output)));
    if (outputGradients.every((g) => g === undefined)) continue;
    const rule = node.domain === '' ? GRADIENT_RULES[node.opType] : undefined;
    const like = (value: string): 'float32' | 'float64' | 'float16' => {
      const dtype = dtypeOf(value);
      return dtype === 'float64' || dtype === 'float16' ? dtype : 'float32';
    };
    const result = rule?.({
      node,
      opset,
      outputGradients,
      needs: (input) => active.has(node.inputs[input] ?? ''),
      shape,
      dtype: dtypeOf,
      constantValues: (value) => {
        const tensor = index.constant(value);
        return tensor === undefined ? undefined : toFloat64(tensor);
      },
      emit,
      floats: (values, dims, value) => put(floatTensor(fresh(), dims, like(value), Float64Array.from(values))),
      scalar: (number, value) => put(floatTensor(fresh(), [], like(value), Float64Array.of(number))),
      integers: (values) => put(int64Tensor(fresh(), [values.length], values)),
    }) ?? { refused: 'it has no rule' };
    if ('refused' in result) {
      stops.push({ node: label(node), opType: node.opType, reason: result.refused });
      continue;
    }
    node.inputs.forEach((input, i) => {
      const gradient = result[i];
      if (gradient === undefined || !active.has(input)) return;
      gradients.set(input, [...(gradients.get(input) ?? []), gradient]);
    });
  }
  const found = wanted.flatMap((value) => {
    const gradient = total(value);
    return gradient === undefined ? [] : [[value, gradient] as const];
  });
  return { nodes, initializers, gradients: new Map(found), stops: stops.toReversed() };
}

/** The values that depend on some others, those themselves included. */
function dependents(nodes: readonly Node[], values: readonly string[]): Set<string> {
  const found = new Set(values);
  for (const node of nodes) {
    if (!node.inputs.some((input) => found.has(input))) continue;
    for (const output of node.outputs) if (output !== '') found.add(output);
  }
  return found;
}

/** The type that a network computes in: that of its first weight. */
function floatTypeOf({ graph }: Model): DataType {
  for (const tensor of graph.initializers.values())
    if (isFloat(tensor.dtype) && tensor.dims.length > 0) return tensor.dtype;
  return 'float32';
}
