import type { RefusalCode } from '../channels/refusal.js';

/** What the sample says of one layer: of the channels of one space, which its nodes share. */
export interface InspectedLayer {
  /** The nodes that make the channels, in topological order. */
  readonly nodes: readonly string[];
  /** Neurons (outputs of Gemm and MatMul) or channels (of Conv and ConvTranspose) that can be removed. */
  readonly channels: number;
  /** Fewest principal directions that hold this share of the variance of the channels where they are read. */
  readonly effectiveRank: readonly { readonly energy: number; readonly rank: number }[];
  /** Share of the channels of which another one is collinear up to this absolute cosine, as `--method cosine` measures it. */
  readonly collinear: readonly { readonly cosine: number; readonly share: number }[];
  /** Channels that are as good as 0 on every row: their RMS is at most a millionth of that of the layer. */
  readonly dead: number;
  /** Channels that have the same value on every row; the dead ones are not among them. */
  readonly constant: number;
  /** Channels that `--method exact` removes: the weights prove them redundant for every input. */
  readonly exact: number;
  /**
   * NRMSE of the model's outputs that is predicted for this layer alone at this share of its width, its channels chosen and absorbed by `span`,
   * without the refit behind it. Empty where several models are inspected.
   */
  readonly predicted: readonly { readonly width: number; readonly channels: number; readonly nrmse: number }[];
}

/** A Gemm, MatMul, Conv or ConvTranspose whose channels cannot be removed. */
export interface RefusedNode {
  /** The node's name, else the name of its first output. */
  readonly node: string;
  readonly opType: string;
  /** Length of its output axis; absent where it is not known. */
  readonly width?: number;
  readonly code: RefusalCode;
  readonly message: string;
  /** Names of the nodes or graph outputs in the way. */
  readonly culprits: readonly string[];
  /** `true`: nothing can be removed there by this method. `open`: a later version may lift it. */
  readonly limit: 'true' | 'open';
  /** For a true limit why it is one, else what lifting it would take. */
  readonly why: string;
  /** What a user can do about it; absent where that is nothing. */
  readonly advice?: string;
}

/** One model and its layers. */
export interface InspectedModel {
  /** Its file; null for a model in memory. */
  readonly file: string | null;
  readonly sha256: string | null;
  readonly parameters: number;
  /** In topological order; the same ones, by their nodes, in every model. */
  readonly layers: readonly InspectedLayer[];
  readonly refused: readonly RefusedNode[];
}

/** What `inspect` found: the document that `--json` prints. */
export interface InspectReport {
  readonly schemaVersion: 1;
  readonly tool: { readonly name: 'onnx-condense'; readonly version: string };
  readonly provider: string;
  /** `validation`: those of the rows that the predictions were measured on. */
  readonly rows: { readonly fit: number; readonly validation: number };
  readonly models: readonly InspectedModel[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: Readonly<Record<string, number>>;
}
