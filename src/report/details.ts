/** What the HTML report shows beyond the JSON reports: gathered only where it is asked for, since it takes time and memory. */
import type { RefusalCode } from '../channels/refusal.js';
import type { GateCheck } from '../verify/gate.js';
import type { OutputDetail } from '../verify/output-sampler.js';
import type { LatencyReport, SizeReport } from './report.js';

/** A node of the drawn network: a layer, an input or output of the model, or a place where several of them meet. */
export interface OutlineNode {
  readonly kind: 'layer' | 'input' | 'output' | 'join';
  /** The node's name, else that of its first output; of an input or output its own. */
  readonly name: string;
  readonly opType: string;
  /** Length of the output axis, where it is known. */
  readonly before?: number;
  readonly after?: number;
  readonly parameters: { readonly before: number; readonly after: number };
  /** Positions in the list of layers of those whose channels it makes. */
  readonly layers: readonly number[];
  /** Why its channels were left as they are. */
  readonly refusal?: {
    readonly code: RefusalCode;
    readonly message: string;
    readonly culprits: readonly string[];
    readonly advice?: string;
  };
}

/** The network as layers and how they are connected; what lies between two of them is left out. */
export interface NetworkOutline {
  /** In topological order. */
  readonly nodes: readonly OutlineNode[];
  /** Positions of the nodes. */
  readonly edges: readonly (readonly [from: number, to: number])[];
}

/** Cosines between the neurons of a layer, on the calibration rows, as E x_i x_j / √(E x_i² E x_j²). */
export interface CosineMatrix {
  /** Which neurons, in the order of the matrix: neighbours are alike. All of them, or as many of a wide layer, evenly spread. */
  readonly neurons: readonly number[];
  /** Lower triangle without the diagonal, row by row, in steps of 1/127. */
  readonly values: Int8Array;
}

/** What became of one neuron that was removed. */
export interface FoldedNeuron {
  readonly neuron: number;
  /** Those that take over most of it, with their shares of all that take over; none where it was constant or unread. */
  readonly into: readonly { readonly neuron: number; readonly share: number }[];
}

/** A layer: neurons (channels) that are condensed as one. */
export interface LayerDetail {
  /** Nodes that make its channels. */
  readonly nodes: readonly string[];
  readonly channels: number;
  readonly cosines: CosineMatrix;
  /** Variance of each principal direction as a share of all, descending, from `of` neurons. */
  readonly spectrum: { readonly shares: readonly number[]; readonly of: number };
  readonly effectiveRank: readonly { readonly energy: number; readonly rank: number }[];
  readonly collinear: readonly { readonly cosine: number; readonly share: number }[];
  /** Predicted NRMSE of the model's outputs by the width of this layer alone; empty where nothing was predicted. */
  readonly curve: readonly { readonly width: number; readonly nrmse: number }[];
  /** What was done to it; absent where nothing was made. */
  readonly outcome?: LayerOutcome;
}

export interface LayerOutcome {
  readonly width: number;
  /** The layer was turned into another basis first: its directions are no neurons of the original. */
  readonly turned: boolean;
  /** Neurons that stayed, ascending. */
  readonly kept: Int32Array;
  readonly folded: readonly FoldedNeuron[];
}

/** Details of one run. */
export interface ReportDetails {
  readonly network?: NetworkOutline;
  readonly layers?: readonly LayerDetail[];
  readonly outputs?: readonly OutputDetail[];
  /** Every limit of the check beside the figure that it was held against. */
  readonly checks?: readonly GateCheck[];
  readonly latency?: LatencyReport;
  /** Sizes of the two models, where the report itself does not hold them. */
  readonly sizes?: { readonly before: SizeReport; readonly after: SizeReport };
  /** Seed of the training. */
  readonly seed?: number;
}
