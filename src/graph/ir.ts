import type { DataType, Tensor } from './tensor.js';

/** A dimension: a number, a symbol, or nothing known. */
export type Dimension = number | string | undefined;

/** Name, element type and shape of a graph input, output or intermediate value. */
export interface ValueInfo {
  readonly name: string;
  /** Undefined for values that are not tensors (sequences, maps, optionals). */
  readonly dtype: DataType | undefined;
  /** Undefined where the rank is unknown. */
  readonly shape: readonly Dimension[] | undefined;
  /** The file layer's handle; a new value info has none. */
  readonly origin?: unknown;
}

/** An attribute of a node. Immutable; `origin` is the file layer's handle, absent on attributes made by a pass. */
export type Attribute = { readonly name: string; readonly origin?: unknown } & (
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  /** Everything this package never looks into (sparse tensors, type protos, references to function attributes, ...). */
  | { readonly type: 'opaque'; readonly value: undefined }
);

/** A node. `inputs` may hold '' for an omitted optional input. Passes edit a clone in place. */
export interface Node {
  name: string;
  opType: string;
  /** '' for the default ONNX domain ('ai.onnx' is normalised to ''). */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, Attribute>;
  /** What the first output was called in the model as it came, where a pass renamed it. Never written. */
  formerOutput?: string;
  readonly origin?: unknown;
}

/** A graph: the main one, or one inside an attribute of If, Loop or Scan. */
export interface Graph {
  name: string;
  nodes: Node[];
  /** In file order. Keys are the tensors' names. */
  initializers: Map<string, Tensor>;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  valueInfo: ValueInfo[];
  /** Names of sparse initializers: constants that are kept as they are and never cut. */
  readonly sparseInitializers: readonly string[];
  readonly origin?: unknown;
}

/** A model-local function: kept intact; only what it is called is known. */
export interface FunctionInfo {
  readonly domain: string;
  readonly name: string;
  /** Floating-point elements of constants inside its body (tensors of more than one element). */
  readonly parameterCount: number;
  readonly origin?: unknown;
}

/** A model. */
export interface Model {
  graph: Graph;
  irVersion: number;
  /** Operator set version by domain ('' for the default domain). */
  readonly opsets: ReadonlyMap<string, number>;
  /** `metadata_props` in file order. */
  metadata: { key: string; value: string }[];
  readonly functions: readonly FunctionInfo[];
  readonly producer: { readonly name: string; readonly version: string };
  /** Where the model came from; undefined for one built in memory. */
  readonly source?: ModelSource;
  readonly origin?: unknown;
}

/** The file a model was read from. */
export interface ModelSource {
  readonly path: string;
  readonly byteLength: number;
  /** Hash of the .onnx file (without external data), lower-case hex. */
  readonly sha256: string;
  /** External data files it refers to, relative to its folder. */
  readonly externalFiles: readonly string[];
}
