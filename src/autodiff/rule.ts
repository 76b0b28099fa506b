import type { Attribute, Node } from '../graph/ir.js';
import type { DataType } from '../graph/tensor.js';

/** What a rule sees of the node that it differentiates, and how it adds nodes to the backward graph. */
export interface RuleContext {
  readonly node: Node;
  /** Version of the default operator set. */
  readonly opset: number;
  /** Gradient of the loss with respect to each output of the node; undefined where nothing depends on it. */
  readonly outputGradients: readonly (string | undefined)[];
  /** Whether the gradient with respect to an input is asked for. */
  needs(input: number): boolean;
  /** Shape of a value, for the batch that is trained on. */
  shape(value: string): readonly number[];
  dtype(value: string): DataType;
  /** A constant's numbers; undefined for what is computed. */
  constantValues(value: string): Float64Array | undefined;
  /** Adds a node; gives the name of its only output. */
  emit(
    opType: string,
    inputs: readonly string[],
    attributes?: Record<string, number | readonly number[] | Attribute>,
  ): string;
  /** Numbers in the type of `like`. */
  floats(values: ArrayLike<number>, dims: readonly number[], like: string): string;
  /** One number in the type of `like`, without axes. */
  scalar(value: number, like: string): string;
  integers(values: readonly number[]): string;
}

/** A gradient that cannot be formed, and why. */
export interface Refused {
  readonly refused: string;
}

/** The gradients with respect to the inputs of a node, undefined where none is asked for or none flows. */
export type Gradients = readonly (string | undefined)[];

/** How the gradient passes one operator. */
export type GradientRule = (context: RuleContext) => Gradients | Refused;

export function refused(reason: string): Refused {
  return { refused: reason };
}
