import { FIXED, type ChannelAnalysis } from '../channels/types.js';
import { held } from '../channels/weights.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { elementCount, isFloat } from '../graph/tensor.js';

/**
 * Parameters of the reduced model as a function of the widths: spaces interact, because a weight's size is the product of two widths.
 * Counts as `parameterCount` does.
 */
export class ParameterCost {
  private readonly tensors: readonly AxisTerms[];
  private readonly untouched: number;

  constructor(model: Model, analysis: ChannelAnalysis) {
    const axesOf = new Map<string, Map<number, Int32Array>>();
    for (const cut of analysis.cuts) {
      const axes = axesOf.get(cut.holder) ?? new Map<number, Int32Array>();
      axes.set(cut.axis, cut.channels);
      axesOf.set(cut.holder, axes);
    }
    const sizes = analysis.spaces.map((s) => s.channels.length);
    const tensors: AxisTerms[] = [];
    let touched = 0;
    for (const [holder, axes] of axesOf) {
      const tensor = held(model.graph, holder);
      if (!isFloat(tensor.dtype)) continue;
      const terms = tensor.dims.map((length, axis) => axisTerm(length, axes.get(axis), analysis.spaceOf, sizes));
      const term: AxisTerms = { terms };
      tensors.push(term);
      touched += sizeOf(term, sizes);
    }
    for (const consumer of analysis.consumers) {
      // A bias that absorption gives to a Gemm without one, or a scalar one that it lengthens, is new: counted for every width but the full
      // one, where nothing is absorbed.
      const { bias } = consumer;
      const grows =
        bias.kind === 'extend' || (bias.kind === 'holder' && elementCount(held(model.graph, bias.holder).dims) === 1);
      if (!grows || consumer.features.every((f) => f === FIXED)) continue;
      const map = analysis.values.get(consumer.output);
      const dims = held(model.graph, consumer.weight).dims;
      const length = dims[consumer.outputWeightAxis]!;
      if (length > 1) tensors.push({ terms: [axisTerm(length, map?.channels, analysis.spaceOf, sizes)] });
    }
    this.tensors = tensors;
    this.untouched = parameterCount(model) - touched;
  }

  /** Parameters when space i keeps `widths[i]` of its removable channels. */
  parameters(widths: ArrayLike<number>): number {
    return this.untouched + this.tensors.reduce((sum, t) => sum + sizeOf(t, widths), 0);
  }
}

/** Length of one axis: `fixed` + Σ per[i] · width of space[i]. */
interface AxisTerm {
  readonly fixed: number;
  readonly spaces: readonly number[];
  readonly per: readonly number[];
}
interface AxisTerms {
  readonly terms: readonly AxisTerm[];
}

function axisTerm(
  length: number,
  channels: Int32Array | undefined,
  spaceOf: Int32Array,
  sizes: readonly number[],
): AxisTerm {
  if (channels === undefined) return { fixed: length, spaces: [], per: [] };
  const counts = new Map<number, number>();
  let fixed = 0;
  for (const c of channels) {
    if (c === FIXED) fixed++;
    else counts.set(spaceOf[c]!, (counts.get(spaceOf[c]!) ?? 0) + 1);
  }
  return { fixed, spaces: [...counts.keys()], per: [...counts].map(([space, count]) => count / sizes[space]!) };
}

function sizeOf({ terms }: AxisTerms, widths: ArrayLike<number>): number {
  let size = 1;
  for (const { fixed, spaces, per } of terms) {
    let length = fixed;
    for (let i = 0; i < spaces.length; i++) length += per[i]! * widths[spaces[i]!]!;
    size *= length;
  }
  // A single element is no parameter.
  return size > 1 ? size : 0;
}
