/**
 * Second moments of the channels of a space, where a site has those of features: added over the sites that read the channels and over the features
 * of a channel (the positions that a Flatten puts side by side, the taps of a patch), as if all of them were rows of one sample.
 */
import type { Moments } from '../calibration/moments.js';
import { featuresByChannel, presence, sitesOfSpace, type Site } from '../channels/sites.js';
import type { ChannelSpace } from '../channels/types.js';
import type { Matrix } from '../linalg/matrix.js';

/**
 * n × n in the order of `space.channels`. Channels that are read at different places cannot stand in for each other: their product is left at 0.
 * @param centred covariances instead of E x xᵀ
 */
export function channelMoments(space: ChannelSpace, moments: (site: Site) => Moments, centred: boolean): Matrix {
  const n = space.channels.length;
  const data = new Float64Array(n * n);
  const read = presence(space);
  for (const site of sitesOfSpace(space)) {
    const G = moments(site).xx(centred);
    const features = featuresByChannel(site);
    const lists = Array.from(space.channels, (c) => features.get(c) ?? []);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        if (read[i] !== read[j]) continue;
        const sum = lists[i]!.reduce((s, f, o) => s + G.data[f * G.cols + lists[j]![o]!]!, 0);
        data[i * n + j] = data[i * n + j]! + sum;
        if (i !== j) data[j * n + i] = data[j * n + i]! + sum;
      }
    }
  }
  return { rows: n, cols: n, data };
}

/** The channels of a space that have the same value on every row of the sample, wherever they are read. */
export function constantChannels(space: ChannelSpace, moments: (site: Site) => Moments): Set<number> {
  const constant = new Set(space.channels);
  for (const site of sitesOfSpace(space)) {
    const m = moments(site);
    const [G, C] = [m.xx(false), m.xx(true)];
    site.features.forEach((c, f) => {
      const at = f * G.cols + f;
      if (!(C.data[at]! <= ROUNDING * Math.max(G.data[at]!, ROUNDING))) constant.delete(c);
    });
  }
  return constant;
}

/** Share of a second moment that is left of it by rounding where there is no variance. */
const ROUNDING = 1e-12;
