import type { Node } from '../graph/ir.js';
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

/** An entry of a constant shape (Reshape, Expand, ...) that names the length of an axis with channels. */
export interface ShapeEntry {
  readonly holder: string;
  /** Index into the shape tensor. */
  readonly entry: number;
  /** The axis it names, as an axis map. */
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
  /** Whether the weight is stored [features, outputs] (MatMul, Gemm transB = 0) or [outputs, features]. */
  readonly layout: 'features-first' | 'outputs-first';
  /** y = scale · (stored weight) x. */
  readonly scale: number;
  readonly bias: BiasPlace;
  /** The node's output value and the axis of it that the weight's outputs run along. */
  readonly output: string;
  readonly outputAxis: number;
}

/** Channels that are decided on together: the outputs of one producer, or of several that residual connections tie. */
export interface ChannelSpace {
  readonly id: number;
  /** Nodes whose output axis this is, in topological order. */
  readonly producers: readonly Node[];
  /** Removable channels, ascending. */
  readonly channels: Int32Array;
  /** How many channels the producers have, those that must stay included. */
  readonly width: number;
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
  /** The space it produces; undefined where it is refused. */
  readonly space: number | undefined;
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
  /** Axis maps of values, to correct stale static shapes. */
  readonly values: ReadonlyMap<string, { readonly axis: number; readonly channels: Int32Array }>;
  /** Space of each channel; -1 for channels that must stay. */
  readonly spaceOf: Int32Array;
}
