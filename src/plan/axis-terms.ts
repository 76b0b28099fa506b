import { FIXED, type ChannelAnalysis } from '../channels/types.js';
import { held } from '../channels/weights.js';
import type { Model } from '../graph/ir.js';

/** Length of one axis as a function of the widths: `fixed` + Σ per[i] · width of space[i]. */
export interface AxisTerm {
  readonly fixed: number;
  readonly spaces: readonly number[];
  readonly per: readonly number[];
}

/** How the lengths of axes depend on the widths of the spaces. */
export class AxisTerms {
  private readonly axesOf = new Map<string, Map<number, Int32Array>>();
  /** By space: channels that can be removed. */
  readonly sizes: readonly number[];

  constructor(
    private readonly model: Model,
    private readonly analysis: ChannelAnalysis,
  ) {
    for (const cut of analysis.cuts) {
      const axes = this.axesOf.get(cut.holder) ?? new Map<number, Int32Array>();
      axes.set(cut.axis, cut.channels);
      this.axesOf.set(cut.holder, axes);
    }
    this.sizes = analysis.spaces.map((s) => s.channels.length);
  }

  /** Constants with an axis that is cut. */
  get holders(): ReadonlySet<string> {
    return new Set(this.axesOf.keys());
  }

  /** One term for each axis of a constant. */
  ofConstant(holder: string): readonly AxisTerm[] {
    return held(this.model.graph, holder).dims.map((length, axis) =>
      this.ofChannels(length, this.axesOf.get(holder)?.get(axis)),
    );
  }

  /** The term of an axis whose indices go with these channels. */
  ofChannels(length: number, channels: Int32Array | undefined): AxisTerm {
    if (channels === undefined) return { fixed: length, spaces: [], per: [] };
    const counts = new Map<number, number>();
    let fixed = 0;
    for (const c of channels) {
      const space = c === FIXED ? undefined : this.analysis.spaceOf[c]!;
      if (space === undefined) fixed++;
      else counts.set(space, (counts.get(space) ?? 0) + 1);
    }
    return { fixed, spaces: [...counts.keys()], per: [...counts].map(([space, count]) => count / this.sizes[space]!) };
  }
}

/** The length of an axis at these widths; between whole numbers where several indices share a channel. */
export function lengthOf({ fixed, spaces, per }: AxisTerm, widths: ArrayLike<number>): number {
  let length = fixed;
  for (let i = 0; i < spaces.length; i++) length += per[i]! * widths[spaces[i]!]!;
  return length;
}
