import type { ConstantDifference, Difference } from '../graph/diff.js';

/** A node that is gone, new, or not what it was. */
export interface DiffedNode {
  readonly kind: 'removed' | 'added' | 'changed';
  /** The node's name (of the second model where both have it), else the name of its first output. */
  readonly node: string;
  readonly opType: string;
  /** Operator, name, inputs, outputs and attributes that changed. */
  readonly differences: readonly Difference[];
  /** Constants that it reads and that are gone, new, or not what they were. */
  readonly constants: readonly ConstantDifference[];
  /** Multiply-accumulates for one row; null where the node is not there, does no such work, or the shapes are not known. */
  readonly macs: { readonly before: number | null; readonly after: number | null };
}

/** Figures of one model. */
export interface DiffedModel {
  /** Its file; null for a model in memory. */
  readonly file: string | null;
  readonly sha256: string | null;
  /** Of the main graph, those that hold constants included. */
  readonly nodes: number;
  readonly parameters: number;
  /** Multiply-accumulates for one row; null where the model could not be run to find its shapes. */
  readonly macs: number | null;
  /** Of the file and its external data; null for a model in memory. */
  readonly bytes: number | null;
}

/** What differs between two models: the document that `diff --json` prints. */
export interface DiffReport {
  readonly schemaVersion: 1;
  readonly tool: { readonly name: 'onnx-condense'; readonly version: string };
  readonly before: DiffedModel;
  readonly after: DiffedModel;
  /** Opsets, inputs, outputs, functions and metadata that changed. */
  readonly model: readonly Difference[];
  /** In the order of the second model; those that are gone stand where they were. */
  readonly nodes: readonly DiffedNode[];
  readonly unchangedNodes: number;
  /** Every initializer and Constant node of the main graph that is gone, new, or not what it was; where the shapes are alike, the values differ. */
  readonly constants: readonly ConstantDifference[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}
