/**
 * The channels of one space in the order of their use: the nested sets that one greedy run gives, and what each loses as seen by the consumers.
 */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import type { ChannelSpace } from '../channels/types.js';
import type { Model } from '../graph/ir.js';
import { addToDiagonal, type Matrix } from '../linalg/matrix.js';
import { regularisedInverse } from '../linalg/regularised.js';
import { correlation } from '../linalg/standardise.js';
import type { Blas } from '../runtime/blas.js';
import { nestedBlockOrder } from './nested-blocks.js';
import { nestedOrder } from './nested-order.js';
import { selectionSites, type SelectionSite } from './space-problem.js';
import { improveBySwaps } from './swaps.js';

/** Ridge of the selection, relative to the mean diagonal: keeps nearly singular covariances invertible without moving the choice. */
const SELECTION_RIDGE = 1e-7;
/** Swaps at the final width, as a share of the width. */
const SWAP_SHARE = 0.1;

/** A space with its nested order: the set for every width, and what each loses as seen by the consumers. */
export interface OrderedSpace {
  readonly space: ChannelSpace;
  readonly sites: readonly SelectionSite[];
  /** Positions in `space.channels`, the most useful first: the first k are kept at width k. */
  readonly ranking: Int32Array;
  /** Local loss at each width 0 … size: squared error of the consumers' standardised outputs. */
  readonly loss: Float64Array;
}

/** Orders the channels of a space by one greedy run. */
export async function orderSpace(
  model: Model,
  space: ChannelSpace,
  moments: (site: Site) => Moments,
  mode: 'eliminate' | 'cholesky',
  blas: Blas,
  ridge: (site: Site) => number = () => 0,
): Promise<OrderedSpace> {
  const sites = await selectionSites(model, space, moments, blas, ridge);
  const size = space.channels.length;
  const greedy: { M: Matrix; N: Matrix; starts: Int32Array }[] = [];
  let total = 0;
  for (const { C: exact, W, starts, ridge: own } of sites.map(standardised)) {
    const lambda = Math.max(SELECTION_RIDGE, own);
    // The ridge of the selection bounds N_jj / M_jj where both are what rounding left.
    const C = addToDiagonal(exact, lambda);
    const A = await blas.gemm(W, W, { transA: true });
    for (let i = 0; i < A.data.length; i++) total += A.data[i]! * C.data[i]!;
    if (mode === 'eliminate') greedy.push({ M: (await regularisedInverse(exact, lambda, blas)).result, N: A, starts });
    else greedy.push({ M: C, N: await blas.gemm(await blas.gemm(C, A), C), starts });
  }
  const direction = mode === 'eliminate' ? 'eliminate' : 'select';
  const { order, cost } = sites.every(oneColumnEach)
    ? await nestedOrder(greedy, { mode: direction, blas })
    : nestedBlockOrder(greedy, direction);
  const ranking = mode === 'eliminate' ? Int32Array.from(order).reverse() : Int32Array.from(order);
  const loss = new Float64Array(size + 1);
  if (mode === 'eliminate') {
    // order[i] is the i-th to go: width size - 1 - i remains.
    let sum = 0;
    for (let i = 0; i < order.length; i++) loss[size - 1 - i] = sum += cost[i]!;
  } else {
    let rest = total;
    loss[0] = total;
    for (let i = 0; i < order.length; i++) loss[i + 1] = rest = Math.max(0, rest - cost[i]!);
    loss[size] = 0;
  }
  return { space, sites, ranking, loss };
}

/** Channels kept at a width: the head of the ranking, improved by swaps where channels are single features. */
export async function chooseChannels(
  ordered: OrderedSpace,
  width: number,
  blas: Blas,
  swaps = true,
): Promise<Int32Array> {
  const size = ordered.space.channels.length;
  let kept: Int32Array = ordered.ranking.slice(0, width).sort();
  if (swaps && width > 0 && width < size && ordered.sites.every(oneColumnEach)) {
    const sites = ordered.sites
      .map(standardised)
      .map(({ C, W, ridge }) => ({ C: addToDiagonal(C, Math.max(SELECTION_RIDGE, ridge)), W }));
    kept = (await improveBySwaps(sites, kept, { maxSwaps: Math.max(4, Math.round(SWAP_SHARE * width)), blas })).kept;
  }
  return kept.map((i) => ordered.space.channels[i]!);
}

/** The problem in coordinates where every channel has unit second moment: the same problem, better conditioned. */
function standardised({ C, W, starts, ridge }: SelectionSite): Omit<SelectionSite, 'site'> {
  const { R, scale } = correlation(C);
  return {
    starts,
    ridge,
    C: R,
    W: { ...W, data: W.data.map((w, i) => (scale[i % W.cols] === 0 ? 0 : w / scale[i % W.cols]!)) },
  };
}

/** Whether the columns of a site are its channels, in the same order. */
function oneColumnEach({ starts }: SelectionSite): boolean {
  return starts.every((start, i) => start === i);
}
