import { FIXED, type ChannelAnalysis } from '../channels/types.js';
import { held } from '../channels/weights.js';
import { parameterCount } from '../graph/edit.js';
import { macsByNode } from '../graph/macs.js';
import type { Model } from '../graph/ir.js';
import { elementCount, isFloat, type DataType } from '../graph/tensor.js';
import { constantAt, UseIndex } from '../graph/uses.js';
import { AxisTerms, lengthOf, type AxisTerm } from './axis-terms.js';

/**
 * What the reduced model costs as a function of the widths. Spaces interact, because a weight's size is the product of two widths.
 * Parameters count as `parameterCount` does, multiply-accumulates as `countMacs`.
 */
export class WidthCost {
  private readonly tensors: readonly (Terms & { readonly bytes: number })[];
  private readonly untouched: number;
  private readonly products: readonly (Terms & { readonly macsPerElement: number })[];
  private readonly otherMacs: number;
  private readonly bytesBefore: number;

  /**
   * @param shapes of the model's values for one row of input
   * @param rows that the shapes were taken with
   */
  constructor(model: Model, analysis: ChannelAnalysis, shapes: ReadonlyMap<string, readonly number[]>, rows: number) {
    const axes = new AxisTerms(model, analysis);
    const { sizes, holders } = axes;
    const tensors: (Terms & { bytes: number; added: boolean })[] = [];
    let touched = 0;
    for (const holder of holders) {
      const { dtype } = held(model.graph, holder);
      if (!isFloat(dtype)) continue;
      const term = { terms: axes.ofConstant(holder), bytes: bytesOf(dtype), added: false };
      tensors.push(term);
      touched += parametersOf(term, sizes);
    }
    for (const consumer of analysis.consumers) {
      // A bias that absorption gives to a Gemm without one, or a scalar one that it lengthens, is new: counted for every width but the full
      // one, where nothing is absorbed.
      const { bias } = consumer;
      const grows =
        bias.kind === 'extend' || (bias.kind === 'holder' && elementCount(held(model.graph, bias.holder).dims) === 1);
      if (!grows || consumer.features.every((f) => f === FIXED)) continue;
      const map = analysis.values.get(consumer.output);
      const { dims, dtype } = held(model.graph, consumer.weight);
      const length = dims[consumer.outputWeightAxis]!;
      if (length > 1) {
        const terms = [axes.ofChannels(length, map?.channels)];
        tensors.push({ terms, bytes: bytesOf(dtype), added: bias.kind === 'extend' });
      }
    }
    this.tensors = tensors;
    this.untouched = parameterCount(model) - touched;
    this.bytesBefore = tensors.filter((t) => !t.added).reduce((sum, t) => sum + t.bytes * productOf(t, sizes), 0);

    // Every multiplication reads one weight: those of a node grow with its weight's elements. A product of two activations grows with the
    // channels that pass through it.
    const index = new UseIndex(model.graph);
    const products: (Terms & { macsPerElement: number })[] = [];
    let otherMacs = 0;
    for (const [node, macs] of macsByNode(model, shapes)) {
      const weight = constantAt(index, node.inputs[1] ?? '');
      const passing = weight === undefined ? analysis.values.get(node.outputs[0]!)?.channels : undefined;
      if (passing !== undefined)
        products.push({
          terms: [axes.ofChannels(passing.length, passing)],
          macsPerElement: macs / rows / passing.length,
        });
      else if (weight === undefined || !holders.has(weight.name)) otherMacs += macs / rows;
      else
        products.push({
          terms: axes.ofConstant(weight.name),
          macsPerElement: macs / rows / elementCount(weight.tensor.dims),
        });
    }
    this.products = products;
    this.otherMacs = otherMacs;
  }

  /** Parameters when space i keeps `widths[i]` of its removable channels. */
  parameters(widths: ArrayLike<number>): number {
    return this.untouched + this.tensors.reduce((sum, t) => sum + parametersOf(t, widths), 0);
  }

  /** Multiply-accumulates for one row of input. */
  macs(widths: ArrayLike<number>): number {
    return this.otherMacs + this.products.reduce((sum, p) => sum + p.macsPerElement * productOf(p, widths), 0);
  }

  /** Bytes of weights that go with the channels: what the file becomes smaller by, names and shapes aside. */
  bytesSaved(widths: ArrayLike<number>): number {
    return this.bytesBefore - this.tensors.reduce((sum, t) => sum + t.bytes * productOf(t, widths), 0);
  }
}

function bytesOf(dtype: DataType): number {
  return dtype === 'float64' ? 8 : dtype === 'float32' ? 4 : 2;
}

interface Terms {
  readonly terms: readonly AxisTerm[];
}

function productOf({ terms }: Terms, widths: ArrayLike<number>): number {
  let size = 1;
  for (const term of terms) size *= lengthOf(term, widths);
  return size;
}

function parametersOf(tensor: Terms, widths: ArrayLike<number>): number {
  const size = productOf(tensor, widths);
  // A single element is no parameter.
  return size > 1 ? size : 0;
}
