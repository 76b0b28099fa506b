import type { Kernel } from '../channels/types.js';
import { makeNode } from '../graph/attributes.js';
import type { Model, Node } from '../graph/ir.js';
import type { DataType, Tensor } from '../graph/tensor.js';
import { int64Tensor } from '../graph/tensor-data.js';
import type { ProductType } from './moments.js';
import type { Sampling } from './positions.js';

/** A value whose features are wanted as a matrix of rows × features. */
export interface FeatureSource {
  readonly value: string;
  readonly axis: number;
  readonly rank: number;
  /** Columns of the matrix: for patches channels · taps. */
  readonly features: number;
  readonly dtype: DataType;
}

/** Moments to collect of x and, when it is there, of z with x. Rows of x and z correspond. */
export interface MomentRequest {
  readonly key: string;
  /** Name of the node that reads x, for messages; the key where it is absent. */
  readonly node?: string;
  readonly x: FeatureSource;
  readonly z?: FeatureSource;
  /** For values of rank 3 and more with the features on axis 1: which positions are taken. Without it every position is a row. */
  readonly sampling?: Sampling;
}

/** Names of a request's values in the instrumented graph. */
export interface MomentNames {
  readonly request: MomentRequest;
  /** float32 matrices rows × features. */
  readonly x: string;
  readonly z: string | undefined;
  readonly pilotX: string;
  readonly pilotZ: string | undefined;
  /** Inputs with the positions of x (count, or count × taps) and of z. */
  readonly positionsX: string | undefined;
  readonly positionsZ: string | undefined;
  readonly outputs: {
    readonly rows: string;
    readonly x: string;
    readonly xx: string;
    readonly z?: string;
    readonly zx?: string;
    readonly zz?: string;
  };
}

/** A piece of graph to append. */
export interface Fragment {
  readonly nodes: Node[];
  readonly initializers: Tensor[];
}

/** Nodes that bring a value into the form float32 [rows, features]. */
export function flatten(source: FeatureSource, output: string): Fragment {
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  let at = source.value;
  const step = (opType: string, inputs: string[], attributes: Parameters<typeof makeNode>[3]): void => {
    const next = `${output}__${nodes.length}`;
    nodes.push(makeNode(opType, inputs, [next], attributes));
    at = next;
  };
  if (source.dtype !== 'float32') step('Cast', [at], { to: 1 });
  if (source.axis !== source.rank - 1) {
    const order = Array.from({ length: source.rank }, (_, i) => i).filter((i) => i !== source.axis);
    step('Transpose', [at], { perm: [...order, source.axis] });
  }
  if (source.rank !== 2) {
    const shape = int64Tensor(`${output}__shape`, [2], [-1, source.features]);
    initializers.push(shape);
    step('Reshape', [at, shape.name], {});
  }
  nodes.push(makeNode('Identity', [at], [output]));
  return { nodes, initializers };
}

/** Nodes that take positions of [N, C, …] as rows: float32 [N · count, C · taps], channels outermost. `indices` is a graph input. */
export function sample(
  source: FeatureSource,
  indices: string,
  patch: Kernel | undefined,
  output: string,
  opset: number,
): Fragment {
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  let at = source.value;
  const step = (opType: string, inputs: string[], attributes: Parameters<typeof makeNode>[3]): void => {
    const next = `${output}__${nodes.length}`;
    nodes.push(makeNode(opType, inputs, [next], attributes));
    at = next;
  };
  const integers = (name: string, values: readonly number[]): string => {
    initializers.push(int64Tensor(`${output}__${name}`, [values.length], values));
    return `${output}__${name}`;
  };
  if (source.dtype !== 'float32') step('Cast', [at], { to: 1 });
  if (patch !== undefined && [...patch.padsBegin, ...patch.padsEnd].some((p) => p > 0)) {
    const pads = [0, 0, ...patch.padsBegin, 0, 0, ...patch.padsEnd];
    if (opset < 11) step('Pad', [at], { pads });
    else step('Pad', [at, integers('pads', pads)], {});
  }
  step('Reshape', [at, integers('flat', [0, 0, -1])], {});
  step('Gather', [at, indices], { axis: 2 });
  step('Transpose', [at], { perm: patch === undefined ? [0, 2, 1] : [0, 2, 1, 3] });
  step('Reshape', [at, integers('shape', [-1, source.features])], {});
  nodes.push(makeNode('Identity', [at], [output]));
  return { nodes, initializers };
}

/** Nodes that turn float32 matrices x and z into their sums about pilot means, which are graph inputs. */
export function momentNodes(names: MomentNames, opset: number): Fragment {
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  const sum = (input: string, output: string): void => {
    if (opset >= 13) {
      const axes = int64Tensor(`${output}__axes`, [1], [0]);
      initializers.push(axes);
      nodes.push(makeNode('ReduceSum', [input, axes.name], [output], { keepdims: 0 }));
    } else nodes.push(makeNode('ReduceSum', [input], [output], { axes: [0], keepdims: 0 }));
  };
  const { outputs } = names;
  const wide = (value: string, features: number): string => {
    if (productType(names.request) === 'float32') return value;
    nodes.push(makeNode('Cast', [value], [`${value}__double_${features}`], { to: 11 }));
    return `${value}__double_${features}`;
  };
  const xs = `${names.x}__shifted`;
  nodes.push(makeNode('Sub', [names.x, names.pilotX], [xs]));
  const x = wide(xs, names.request.x.features);
  nodes.push(makeNode('Transpose', [x], [`${xs}__t`], { perm: [1, 0] }));
  nodes.push(makeNode('MatMul', [`${xs}__t`, x], [outputs.xx]));
  sum(xs, outputs.x);
  // The number of rows, as a float: first entry of the matrix's shape.
  const first = int64Tensor(`${outputs.rows}__first`, [1], [0]);
  initializers.push(first);
  nodes.push(makeNode('Shape', [names.x], [`${outputs.rows}__shape`]));
  nodes.push(makeNode('Gather', [`${outputs.rows}__shape`, first.name], [`${outputs.rows}__int`], { axis: 0 }));
  nodes.push(makeNode('Cast', [`${outputs.rows}__int`], [outputs.rows], { to: 1 }));
  if (names.z !== undefined && names.pilotZ !== undefined) {
    const zs = `${names.z}__shifted`;
    nodes.push(makeNode('Sub', [names.z, names.pilotZ], [zs]));
    const z = wide(zs, names.request.z!.features);
    nodes.push(makeNode('Transpose', [z], [`${zs}__t`], { perm: [1, 0] }));
    nodes.push(makeNode('MatMul', [`${zs}__t`, x], [outputs.zx!]));
    sum(zs, outputs.z!);
    nodes.push(makeNode('Mul', [zs, zs], [`${zs}__squared`]));
    sum(`${zs}__squared`, outputs.zz!);
  }
  return { nodes, initializers };
}

/**
 * Type in which the products of a request are formed. Rounding of float32 products puts a floor of about 1e-6 of the largest eigenvalue under the spectrum of a
 * Gram matrix, which condensed networks reach far below; double products remove it and cost twice the time, which wide layers and maps cannot afford.
 */
export function productType({ x, sampling }: MomentRequest): ProductType {
  return sampling === undefined && x.features <= DOUBLE_UP_TO ? 'float64' : 'float32';
}
const DOUBLE_UP_TO = 1024;

/** The names that a request's values get; `index` keeps them apart. */
export function momentNames(request: MomentRequest, index: number): MomentNames {
  const base = `condense_moments_${index}`;
  const target = request.z !== undefined;
  return {
    request,
    x: `${base}_x`,
    z: target ? `${base}_z` : undefined,
    pilotX: `${base}_pilot_x`,
    pilotZ: target ? `${base}_pilot_z` : undefined,
    positionsX: request.sampling === undefined ? undefined : `${base}_positions_x`,
    positionsZ: request.sampling === undefined || !target ? undefined : `${base}_positions_z`,
    outputs: {
      rows: `${base}_rows`,
      x: `${base}_sum_x`,
      xx: `${base}_sum_xx`,
      ...(target ? { z: `${base}_sum_z`, zx: `${base}_sum_zx`, zz: `${base}_sum_zz` } : {}),
    },
  };
}

/** A model made of some nodes, for the runtime only: outputs and extra inputs are declared without shapes. */
export function skeleton(
  base: Model,
  parts: {
    readonly nodes: readonly Node[];
    readonly initializers: Iterable<Tensor>;
    readonly inputs: readonly { readonly name: string; readonly dtype: DataType; readonly rank?: number }[];
    readonly outputs: readonly { readonly name: string; readonly dtype: DataType | undefined }[];
  },
): Model {
  const initializers = new Map<string, Tensor>();
  for (const tensor of parts.initializers) initializers.set(tensor.name, tensor);
  return {
    ...base,
    // Older IR versions demand that initializers are graph inputs too.
    irVersion: Math.max(base.irVersion, 8),
    metadata: [],
    graph: {
      name: 'condense',
      nodes: [...parts.nodes],
      initializers,
      inputs: parts.inputs.map((i) => ({
        name: i.name,
        dtype: i.dtype,
        shape: i.rank === undefined ? undefined : Array.from({ length: i.rank }, () => undefined),
      })),
      outputs: parts.outputs.map((o) => ({ name: o.name, dtype: o.dtype, shape: undefined })),
      valueInfo: [],
      sparseInitializers: [],
    },
  };
}
