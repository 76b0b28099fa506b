/** Which channels take over what another one contributed, read off the absorptions x ≈ T x_K + t. */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import { FIXED, type ChannelId } from '../channels/types.js';
import type { Absorption } from '../select/span.js';

/** Channels that take over from one that goes, with their shares. */
export type Heirs = readonly { readonly channel: ChannelId; readonly share: number }[];

/** What becomes of the channels of a model. */
export interface ChannelFates {
  /** 1 for channels that stay, by channel number. */
  readonly keep: Uint8Array;
  readonly folded: ReadonlyMap<ChannelId, Heirs>;
  /** Spaces in another basis: what goes there are directions. */
  readonly turned: ReadonlySet<number>;
}

/** Heirs that are remembered of each channel. */
const MOST_HEIRS = 3;

/**
 * Looks on while channels are absorbed. The share of channel r in what is left of channel j is that of the RMS of its part,
 * √(Σ T_fg² E x_g²) over the features f of j and g of r, in the sum over all r. Where several sites read a channel, the first one counts.
 */
export class FoldedChannels {
  readonly into = new Map<ChannelId, Heirs>();

  constructor(private readonly moments: (site: Site) => Moments) {}

  readonly observe = (site: Site, { kept, T }: Absorption): void => {
    const G = this.moments(site).xx(false);
    const energy = Array.from(kept, (f) => Math.max(0, G.data[f * G.cols + f]!));
    const parts = new Map<ChannelId, Map<ChannelId, number>>();
    const stays = new Set<number>(kept);
    site.features.forEach((channel, f) => {
      if (channel === FIXED || stays.has(f) || this.into.has(channel)) return;
      let own = parts.get(channel);
      if (own === undefined) parts.set(channel, (own = new Map<ChannelId, number>()));
      for (let c = 0; c < kept.length; c++) {
        const part = T.data[f * T.cols + c]! ** 2 * energy[c]!;
        const heir = site.features[kept[c]!]!;
        if (part > 0 && heir !== FIXED) own.set(heir, (own.get(heir) ?? 0) + part);
      }
    });
    for (const [channel, own] of parts) this.into.set(channel, heirsOf(own));
  };
}

function heirsOf(parts: ReadonlyMap<ChannelId, number>): Heirs {
  const sizes = [...parts].map(([channel, part]) => ({ channel, size: Math.sqrt(part) }));
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  return sizes
    .sort((a, b) => b.size - a.size || a.channel - b.channel)
    .slice(0, MOST_HEIRS)
    .map(({ channel, size }) => ({ channel, share: size / total }));
}
