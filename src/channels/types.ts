import type { Node } from '../graph/ir.js';
import type { KernelGeometry } from '../graph/kernel.js';
import type { Refusal } from './refusal.js';

/**
 * A channel: one index of the output axis of a producer together with every index that is tied to it (through carriers, residual additions,
 * ...). All of it stays or goes as one. Channels are numbered 0, 1, ... over the whole graph.
 */
export type ChannelId = number;

/** In an axis map: an index that belongs to no removable channel. */
export const FIXED = -1;

/** A constant tensor's axis whose indices go with channels: `channels[i]` owns index i, or FIXED. */
export interface Cut {
  /** Name of the constant's holder (see `ConstantHolder`). */
  readonly holder: string;
  readonly axis: number;
  readonly channels: Int32Array;
  /**
   * What the numbers along the axis are to a channel's value x:
   * `produce` they make it (weights, biases) and scale with it; `factor` they multiply it (or act like that), so equal channels must have
   * equal ones; `consume` they read it (a consumer's weight).
   */
  readonly role: 'produce' | 'factor' | 'consume';
}

/**
 * Where a whole number is stored: in the constant that the node making `output` reads as its input number `input` (other readers of that
 * constant keep the old number), or in an attribute of that node. Where that input is computed, or there is none, a constant of `instead` takes
 * its place; likewise for an attribute.
 */
export type NumberPlace =
  | {
      readonly kind: 'constant';
      readonly output: string;
      readonly input: number;
      readonly entry: number;
      readonly instead?: { readonly dtype: 'int64' | 'int32'; readonly values: readonly number[] } | undefined;
    }
  | {
      readonly kind: 'attribute';
      readonly output: string;
      readonly attribute: string;
      readonly entry: number;
      readonly instead?: readonly number[];
    };

/** A number that counts channels: the length of an axis in a shape, an offset of a Slice, the groups of a depthwise Conv. */
export interface ShapeEntry {
  readonly place: NumberPlace;
  /** What it counts, as an axis map: the number becomes how many of these stay. */
  readonly channels: Int32Array;
  /** The number is negative: it counts from the end. */
  readonly fromEnd?: boolean;
  /** The axis maps whose lengths the graph computes it from: once one of them changes, the number has to be written down. */
  readonly counts?: readonly Int32Array[];
}

/** Constant indices along an axis with channels (Gather): they are renumbered with the cut. */
export interface IndexEntry {
  /** The node that makes `output` reads the indices as its input number `input`. */
  readonly output: string;
  readonly input: number;
  /** The axis that the indices point into, as an axis map. */
  readonly channels: Int32Array;
}

/**
 * Where a consumer's constant term lives: y gets scale · (what is stored). `extend` says that a Gemm without a bias can be given one, under a
 * name that is free in the model.
 */
export type BiasPlace =
  | { readonly kind: 'holder'; readonly holder: string; readonly scale: number }
  | { readonly kind: 'extend'; readonly name: string; readonly scale: number }
  | { readonly kind: 'none' };

/** Geometry of a convolution; the pads of a transposed one are cut off of its output. */
export interface Kernel extends KernelGeometry {
  readonly transposed: boolean;
  /** Spatial lengths of input and output for the shapes that the analysis saw. */
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/**
 * How a consumer's weight is laid out as a matrix W. A convolution has one number for each output, feature and tap of its kernel:
 * - `channels`: (outputs · taps) × features, each tap an output of its own that reads the features at one position;
 * - `patches`: outputs × (features · taps), what the node really computes from the patch that it sees.
 * Without a kernel the two are the same.
 */
export type WeightView = 'channels' | 'patches';

/** A consumer: a node that mixes the features of its input linearly, y = x Wᵀ + b along the feature axis. */
export interface Consumer {
  readonly node: Node;
  /** The value that is read. */
  readonly input: string;
  /** Axis of `input` that is contracted. */
  readonly featureAxis: number;
  /** Rank of `input`. */
  readonly rank: number;
  /** Which channel each feature of the input belongs to, or FIXED. */
  readonly features: Int32Array;
  /** Holder of the weight. */
  readonly weight: string;
  /** Axes of the stored weight along which features and outputs run; any others are the kernel's. */
  readonly featureWeightAxis: number;
  readonly outputWeightAxis: number;
  /** What a convolution does in space; undefined for Gemm and MatMul. */
  readonly kernel: Kernel | undefined;
  /** How the weight is read as a matrix; see `WeightView`. The analysis says `channels`, `chooseViews` decides. */
  readonly view: WeightView;
  /** y = scale · (stored weight) x. */
  readonly scale: number;
  readonly bias: BiasPlace;
  /**
   * Given where `input` is a map of which the node reads the mean over all positions (see `pooled-inputs.ts`): the lengths of its other axes.
   * The weight is then judged and fitted at single positions.
   */
  readonly pooled?: readonly number[];
  /** The node's output value and the axis of it that the weight's outputs run along. */
  readonly output: string;
  readonly outputAxis: number;
}

/** Channels that stand in the same tensors: outputs of one producer, or of several that are tied to each other. */
export interface ChannelSpace {
  readonly id: number;
  /** Nodes whose output axis this is, in topological order. */
  readonly producers: readonly Node[];
  /** Removable channels, ascending. */
  readonly channels: Int32Array;
  /** How many have to stay so that no axis becomes empty. */
  readonly least: 0 | 1;
  /** Consumers that read at least one removable channel of the space. */
  readonly consumers: readonly Consumer[];
  /** What everything between producers and consumers does with a channel that is scaled by c: passes any c, only c > 0, or neither. */
  readonly homogeneity: Homogeneity;
  /**
   * Something between producers and consumers differs from row to row or from position to position (a value that is fed, a constant for each
   * position, a sum over rows): a channel that no weight reaches is then not constant.
   */
  readonly uneven: boolean;
}

export type Homogeneity = 'any' | 'positive' | 'none';

/** What the analysis says of one Gemm, MatMul or Conv. */
export interface TargetNode {
  readonly node: Node;
  /** Length of its output axis. */
  readonly width: number | undefined;
  /** Axis map of its output, when it is a producer. */
  readonly channels: Int32Array | undefined;
  /** The spaces of its channels; none where it is refused. */
  readonly spaces: readonly number[];
  readonly refusal: Refusal | undefined;
}

/** Result of the analysis. */
export interface ChannelAnalysis {
  readonly channelCount: number;
  readonly spaces: readonly ChannelSpace[];
  readonly targets: readonly TargetNode[];
  /** Every node with a usable weight, in topological order, whether or not it reads removable channels. */
  readonly consumers: readonly Consumer[];
  readonly cuts: readonly Cut[];
  readonly shapeEntries: readonly ShapeEntry[];
  readonly indexEntries: readonly IndexEntry[];
  /** Axis maps of values, to correct stale static shapes. */
  readonly values: ReadonlyMap<string, { readonly axis: number; readonly channels: Int32Array }>;
  /** Space of each channel; -1 for channels that must stay. */
  readonly spaceOf: Int32Array;
  /**
   * Holders of constants along channels (biases, factors) that are read at several places, and keep those channels from being removed by that
   * alone: with copies of their own the readers could be cut.
   */
  readonly shared: readonly string[];
}
