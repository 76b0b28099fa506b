import { intAttribute } from '../graph/attributes.js';
import { macsByNode } from '../graph/macs.js';
import type { Attribute, Model, Node } from '../graph/ir.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import type { TimedNode } from '../runtime/kernel-times.js';
import type { AxisTerm, AxisTerms } from './axis-terms.js';

type Shapes = ReadonlyMap<string, readonly number[]>;

/** A Gemm, MatMul, Conv or ConvTranspose whose time depends on the length of its input's and its output's channel axis. */
export interface TimedLayer {
  /** Layers with the same key take the same time at the same lengths. */
  readonly key: string;
  readonly convolution: boolean;
  /** Null where there is none of its own: a depthwise convolution has as many inputs as outputs (or a whole number of times fewer). */
  readonly input: AxisTerm | null;
  readonly output: AxisTerm;
  /** The node alone with these lengths. */
  readonly at: (input: number, output: number) => TimedNode;
}

/**
 * The layers of a model with constant weights.
 * @param shapes of the model's values, for the batch whose time is asked for
 */
export function timedLayers(model: Model, axes: AxisTerms, shapes: Shapes): TimedLayer[] {
  const index = new UseIndex(model.graph);
  const layers: TimedLayer[] = [];
  for (const node of macsByNode(model, shapes).keys()) {
    const weight = constantAt(index, node.inputs[1] ?? '');
    const x = shapes.get(node.inputs[0]!);
    if (weight === undefined || x === undefined) continue;
    const { dims, dtype } = weight.tensor;
    if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') continue;
    const geometry = geometryOf(node, x, dims);
    if (geometry === undefined) continue;
    const terms = axes.ofConstant(weight.name);
    layers.push({
      key: JSON.stringify([
        node.opType,
        [...node.attributes]
          .filter(([name]) => name !== 'group')
          .map(([name, { value }]) => [name, value] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
        geometry.free(x, geometry.xAxis),
        geometry.depthwise ? dims[0]! / x[1]! : geometry.free(geometry.free(dims, geometry.inAxis), geometry.outAxis),
        dtype,
      ]),
      convolution: node.opType.startsWith('Conv'),
      input: geometry.depthwise ? null : terms[geometry.inAxis]!,
      output: terms[geometry.outAxis]!,
      at: (input, output) => {
        const inputs = geometry.depthwise ? (output * x[1]!) / dims[0]! : input;
        const attributes = new Map(node.attributes);
        if (geometry.depthwise) attributes.set('group', integer('group', inputs));
        return {
          opType: node.opType,
          attributes,
          input: x.with(geometry.xAxis, inputs),
          weight: geometry.depthwise
            ? dims.with(geometry.outAxis, output)
            : dims.with(geometry.inAxis, input).with(geometry.outAxis, output),
          dtype,
        };
      },
    });
  }
  return layers;
}

interface Geometry {
  readonly xAxis: number;
  readonly inAxis: number;
  readonly outAxis: number;
  readonly depthwise: boolean;
  readonly free: (dims: readonly number[], axis: number) => readonly number[];
}

/** Which axes are channels; undefined for what is not cut (convolutions in wider groups). */
function geometryOf(node: Node, x: readonly number[], weight: readonly number[]): Geometry | undefined {
  const free = (dims: readonly number[], axis: number): readonly number[] => dims.with(axis, 0);
  const of = (xAxis: number, inAxis: number, outAxis: number, depthwise = false): Geometry => ({
    xAxis,
    inAxis,
    outAxis,
    depthwise,
    free,
  });
  const group = intAttribute(node, 'group', 1);
  switch (node.opType) {
    case 'Conv':
      if (group === 1) return of(1, 1, 0);
      return group === x[1] ? of(1, 1, 0, true) : undefined;
    case 'ConvTranspose':
      return group === 1 ? of(1, 0, 1) : undefined;
    case 'Gemm': {
      const transposed = intAttribute(node, 'transB', 0) === 1;
      return of(intAttribute(node, 'transA', 0) === 1 ? 0 : 1, transposed ? 1 : 0, transposed ? 0 : 1);
    }
    case 'MatMul':
      return weight.length < 2 ? undefined : of(x.length - 1, weight.length - 2, weight.length - 1);
    default:
      return undefined;
  }
}

function integer(name: string, value: number): Attribute {
  return { name, type: 'int', value };
}
