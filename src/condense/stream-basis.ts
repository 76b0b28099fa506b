import type { Moments } from '../calibration/moments.js';
import { linearStreams } from '../channels/linear-streams.js';
import type { Site } from '../channels/sites.js';
import type { Model } from '../graph/ir.js';
import type { Blas } from '../runtime/blas.js';
import { streamRotation } from '../select/stream-rotation.js';
import { positionsOf, rotateStreams, type Rotation } from '../../passes/rotate-streams.js';
import type { PassNote } from './reduced.js';
import type { ModelMoments } from './model-moments.js';
import type { ChannelAnalysis, ChannelSpace } from '../channels/types.js';

/** A model and its moments in one basis for its linear streams. */
export interface Basis {
  readonly model: Model;
  readonly moments: ModelMoments;
  readonly note: PassNote | undefined;
}

/** The model in other bases: what is turned is decided by which streams lose something, so that the others stay as they came. */
export class StreamBasis {
  private readonly made = new Map<string, Basis>();

  private constructor(
    private readonly model: Model,
    private readonly analysis: ChannelAnalysis,
    private readonly moments: ModelMoments,
    private readonly rotations: readonly Rotation[],
  ) {}

  /** Finds the best basis of every linear stream that is `wanted`. */
  static async find(
    model: Model,
    analysis: ChannelAnalysis,
    moments: ModelMoments,
    blas: Blas,
    wanted: (space: ChannelSpace) => boolean,
  ): Promise<StreamBasis> {
    const rotations: Rotation[] = [];
    for (const space of linearStreams(analysis).filter(wanted)) {
      const Q = await streamRotation(model, space, moments.all, blas);
      if (Q !== undefined) rotations.push({ space, Q });
    }
    return new StreamBasis(model, analysis, moments, rotations);
  }

  /** The spaces among those for which `turn` holds that have another basis then. */
  turned(turn: (space: ChannelSpace) => boolean): ReadonlySet<number> {
    return new Set(this.rotations.filter(({ space }) => turn(space)).map(({ space }) => space.id));
  }

  /** The model with those streams turned for which `turn` holds. */
  async with(turn: (space: ChannelSpace) => boolean): Promise<Basis> {
    const chosen = this.rotations.filter(({ space }) => turn(space));
    const key = chosen.map(({ space }) => space.id).join();
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const { model, changed, notes } = await rotateStreams.run(this.model, {
      analysis: this.analysis,
      rotations: chosen,
    });
    const basis: Basis = {
      model,
      moments: chosen.length === 0 ? this.moments : turnedMoments(this.moments, chosen),
      note: changed ? { name: rotateStreams.name, changed, notes } : undefined,
    };
    this.made.set(key, basis);
    return basis;
  }
}

/** The moments as they would be in the turned model. */
function turnedMoments(moments: ModelMoments, rotations: readonly Rotation[]): ModelMoments {
  const turn = (part: (site: Site) => Moments | undefined): ((site: Site) => Moments | undefined) => {
    const known = new Map<string, Moments | undefined>();
    return (site) => {
      if (!known.has(site.key)) known.set(site.key, turnedAt(site, part(site), rotations));
      return known.get(site.key);
    };
  };
  const [fit, all] = [turn(moments.fit), turn(moments.all)];
  return { fit: (site) => fit(site)!, all: (site) => all(site)!, validation: turn(moments.validation) };
}

function turnedAt(site: Site, moments: Moments | undefined, rotations: readonly Rotation[]): Moments | undefined {
  if (moments === undefined) return undefined;
  const taps = site.patch === undefined ? 1 : site.patch.shape.reduce((product, k) => product * k, 1);
  let result = moments;
  for (const { space, Q } of rotations) {
    // Features run tap by tap within each channel.
    const channels = site.features.filter((_, f) => f % taps === 0);
    const positions = positionsOf(channels, space);
    if (positions === undefined) continue;
    for (let tap = 0; tap < taps; tap++)
      result = result.withFeaturesTurned(
        positions.map((p) => p * taps + tap),
        Q,
      );
  }
  return result;
}
