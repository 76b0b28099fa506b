import { takesConstant } from '../../src/channels/sites.js';
import type { ChannelAnalysis, NumberPlace } from '../../src/channels/types.js';
import { held } from '../../src/channels/weights.js';
import { cloneModel, replaceConstant } from '../../src/graph/edit.js';
import { gatherAxis } from '../../src/graph/gather.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, int64Tensor, toFloat64, toIntegers } from '../../src/graph/tensor-data.js';
import { UseIndex } from '../../src/graph/uses.js';

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
  if (kind === 'constant' && (space.uneven || readers.some((c) => !takesConstant(c)))) return undefined;
  // Indices would have to be renumbered, and a number that several nodes read would change for all of them.
  if (analysis.indexEntries.some((entry) => entry.channels.includes(channel))) return undefined;
  const numbers = analysis.shapeEntries.filter((entry) => entry.channels.includes(channel));
  // A number that the model computes, or does without, would have to be written down first.
  if (
    analysis.shapeEntries.some(
      ({ place, channels, counts = [] }) =>
        place.instead !== undefined && [channels, ...counts].some((map) => map.includes(channel)),
    )
  )
    return undefined;
  const uses = new UseIndex(model.graph);
  const holderOf = (place: NumberPlace & { kind: 'constant' }): string =>
    model.graph.nodes.find((n) => n.outputs[0] === place.output)!.inputs[place.input]!;
  if (numbers.some(({ place }) => place.kind === 'constant' && uses.uses(holderOf(place)).length > 1)) return undefined;
  const factor = kind === 'scaled' ? (space.homogeneity === 'any' ? -1.5 : 2) : 1;
  const layerWeights = new Set(analysis.consumers.map((c) => c.weight));

  const planted = cloneModel(model);
  for (const cut of analysis.cuts) {
    if (!cut.channels.includes(channel)) continue;
    const old = held(planted.graph, cut.holder);
    // An earlier axis of the same tensor may have grown already; this one has not.
    const { indices, twins } = withTwins(cut.channels, channel);
    const wider = gatherAxis(old, cut.axis, indices);
    const inner = wider.dims.slice(cut.axis + 1).reduce((a, b) => a * b, 1);
    const values = toFloat64(wider).map((v, i) => {
      if (!twins.has(Math.floor(i / inner) % indices.length)) return v;
      if (cut.role === 'factor') return v;
      if (cut.role === 'consume') return kind === 'unread' ? 0 : 0.7 * v;
      if (kind === 'unread') return v * (1.1 + Math.cos(i));
      return kind === 'constant' && layerWeights.has(cut.holder) ? 0 : factor * v;
    });
    replaceConstant(planted.graph, cut.holder, floatTensor(old.name, wider.dims, 'float32', values));
  }
  for (const { place, channels, fromEnd } of numbers) {
    const more = channels.filter((c) => c === channel).length * (fromEnd === true ? -1 : 1);
    if (place.kind === 'constant') {
      const holder = holderOf(place);
      const list = toIntegers(held(planted.graph, holder));
      list[place.entry]! += more;
      replaceConstant(planted.graph, holder, int64Tensor(holder, [list.length], list));
      continue;
    }
    const { attributes } = planted.graph.nodes.find((n) => n.outputs[0] === place.output)!;
    const old = attributes.get(place.attribute)!;
    if (old.type === 'int') attributes.set(old.name, { ...old, value: old.value + more });
    else if (old.type === 'ints')
      attributes.set(old.name, { ...old, value: old.value.map((v, i) => (i === place.entry ? v + more : v)) });
  }
  return planted;
}

/** The indices of an axis with a twin behind every run of a channel, and where the twins stand. */
function withTwins(channels: Int32Array, channel: number): { indices: number[]; twins: Set<number> } {
  const indices: number[] = [];
  const twins = new Set<number>();
  let run: number[] = [];
  for (let i = 0; i <= channels.length; i++) {
    if (channels[i] === channel) run.push(i);
    else {
      for (const original of run) {
        twins.add(indices.length);
        indices.push(original);
      }
      run = [];
    }
    if (i < channels.length) indices.push(i);
  }
  return { indices, twins };
}
