import { afterAll, describe, expect, it } from 'vitest';
import { analyseChannels } from '../../src/channels/analysis.js';
import { linearStreams } from '../../src/channels/linear-streams.js';
import { StreamBasis } from '../../src/condense/stream-basis.js';
import type { Model } from '../../src/graph/ir.js';
import { choleskyInverse } from '../../src/linalg/cholesky.js';
import { gather, range, type Matrix } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { selectionSites, type SelectionSite } from '../../src/select/space-problem.js';
import { streamRotation } from '../../src/select/stream-rotation.js';
import { rotateStreams } from '../../passes/rotate-streams.js';
import { convModel, siteMoments } from '../conv.js';
import { CPU, randomFeeds } from '../dense.js';
import { multiply, transposed } from '../matrices.js';
import { orthogonal } from '../orthogonal.js';

const blas = new Blas();
afterAll(() => blas.release());

/** Two consumers at different depths of a residual stream of 8 channels, in any position of the two views. */
const model: Model = convModel([3, 7, 7], (net) => {
  const stream = net.conv(net.op('Relu', [net.conv('x', [3, 9])]), [9, 8], { kernel: [1, 1], attributes: {} });
  const inner = net.op('Relu', [net.conv(stream, [8, 6], { kernel: [1, 1], attributes: {} })]);
  const sum = net.op('Add', [stream, net.conv(inner, [6, 8])]);
  return net.conv(sum, [8, 2]);
});

async function problem() {
  const feeds = randomFeeds(model, 40, 3);
  const plain = analyseChannels(model, await probeShapes(model, feeds, CPU));
  const patched = plain.consumers.map((c) => (c.node.name === 'c5' ? { ...c, view: 'patches' as const } : c));
  const at = (c: (typeof patched)[number]) => patched.find((p) => p.output === c.output)!;
  const analysis = {
    ...plain,
    consumers: patched,
    spaces: plain.spaces.map((s) => ({ ...s, consumers: s.consumers.map(at) })),
  };
  const moments = await siteMoments(model, analysis, feeds);
  const space = linearStreams(analysis)[0]!;
  return { feeds, analysis, moments, space };
}

/** Σ tr(W (C − C_:K C_KK⁻¹ C_K:) Wᵀ) when the features Qx are kept up to width k, by tap blocks. */
async function loss(sites: readonly SelectionSite[], k: number): Promise<number> {
  let sum = 0;
  for (const { C, W, starts } of sites) {
    const kept = Int32Array.from(
      range(k).reduce<number[]>(
        (list, i) => [...list, ...range(starts[i + 1]! - starts[i]!).map((t) => starts[i]! + t)],
        [],
      ),
    );
    const all = range(C.cols);
    const inverse = (await choleskyInverse(gather(C, kept, kept), blas))!;
    const explained = multiply(multiply(gather(C, all, kept), inverse), gather(C, kept, all));
    const rest: Matrix = { ...C, data: C.data.map((v, i) => v - explained.data[i]!) };
    const product = multiply(multiply(W, rest), transposed(W));
    for (let o = 0; o < W.rows; o++) sum += product.data[o * W.rows + o]!;
  }
  return sum;
}

describe('streamRotation', () => {
  it('puts first what the consumers use: no random subspace loses less, and its moments are those of the turned model', async () => {
    const { feeds, analysis, moments, space } = await problem();
    expect(space.producers.map((n) => n.name)).toEqual(['c2', 'c4']);
    const turnedBy = async (Q: Matrix) => {
      const turned = (await rotateStreams.run(model, { analysis, rotations: [{ space, Q }] })).model;
      return selectionSites(turned, space, await siteMoments(turned, analysis, feeds), blas);
    };
    const best = await turnedBy((await streamRotation(model, space, moments, blas))!);
    for (const k of [2, 4, 6]) {
      const own = await loss(best, k);
      for (let seed = 1; seed <= 12; seed++)
        expect(await loss(await turnedBy(orthogonal(8, seed)), k)).toBeGreaterThan(0.98 * own);
    }
  });

  it('finds the moments of the turned model without running it', async () => {
    const { feeds, analysis, moments, space } = await problem();
    const basis = await StreamBasis.find(
      model,
      analysis,
      { fit: moments, all: moments, validation: () => undefined },
      blas,
      () => true,
    );
    const { model: turned, moments: predicted, note } = await basis.with(() => true);
    expect(note?.name).toBe('rotate-streams');
    const measured = await siteMoments(turned, analysis, feeds);
    for (const { site } of await selectionSites(turned, space, measured, blas)) {
      for (const centred of [true, false]) {
        const [a, b] = [predicted.all(site).xx(centred), measured(site).xx(centred)];
        const size = Math.max(...b.data.map(Math.abs));
        a.data.forEach((v, i) => expect(Math.abs(v - b.data[i]!)).toBeLessThan(1e-5 * size));
      }
    }
    expect((await basis.with(() => false)).model).toBe(model);
  });
});
