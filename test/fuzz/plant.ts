import type { ChannelAnalysis } from '../../src/channels/types.js';
import { held } from '../../src/channels/weights.js';
import { cloneModel, replaceConstant } from '../../src/graph/edit.js';
import { gatherAxis } from '../../src/graph/gather.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, int64Tensor, toFloat64, toIntegers } from '../../src/graph/tensor-data.js';

/** What a channel that `exact` must remove is to another one. */
export type Plant = 'duplicate' | 'scaled' | 'constant' | 'unread';

/**
 * The model with one more channel behind `channel`: every tensor that has the channel gets one more entry along that axis. Undefined where
 * such a redundancy cannot be removed by what stands around the channel: no factor passes, or no consumer takes a constant.
 */
export function plant(model: Model, analysis: ChannelAnalysis, channel: number, kind: Plant): Model | undefined {
  const space = analysis.spaces[analysis.spaceOf[channel]!]!;
  const readers = space.consumers.filter((c) => c.features.includes(channel));
  if (kind === 'scaled' && space.homogeneity === 'none') return undefined;
  if (kind === 'constant' && (space.uneven || readers.some((c) => c.bias.kind === 'none'))) return undefined;
  const factor = kind === 'scaled' ? (space.homogeneity === 'any' ? -1.5 : 2) : 1;
  const layerWeights = new Set(analysis.consumers.map((c) => c.weight));

  const planted = cloneModel(model);
  for (const cut of analysis.cuts) {
    const at = cut.channels.indexOf(channel);
    if (at < 0) continue;
    const old = held(planted.graph, cut.holder);
    // An earlier axis of the same tensor may have grown already; this one has not.
    const indices = Array.from({ length: cut.channels.length }, (_, i) => i);
    indices.splice(at, 0, at);
    const wider = gatherAxis(old, cut.axis, indices);
    const inner = wider.dims.slice(cut.axis + 1).reduce((a, b) => a * b, 1);
    const values = toFloat64(wider).map((v, i) => {
      if (Math.floor(i / inner) % indices.length !== at + 1) return v;
      if (cut.role === 'factor') return v;
      if (cut.role === 'consume') return kind === 'unread' ? 0 : 0.7 * v;
      if (kind === 'unread') return v * (1.1 + Math.cos(i));
      return kind === 'constant' && layerWeights.has(cut.holder) ? 0 : factor * v;
    });
    replaceConstant(planted.graph, cut.holder, floatTensor(old.name, wider.dims, 'float32', values));
  }
  for (const { holder, entry, channels } of analysis.shapeEntries) {
    if (!channels.includes(channel)) continue;
    const shape = toIntegers(held(planted.graph, holder));
    shape[entry]! += 1;
    replaceConstant(planted.graph, holder, int64Tensor(holder, [shape.length], shape));
  }
  return planted;
}
