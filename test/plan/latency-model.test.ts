import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/ir.js';
import { AxisTerms } from '../../src/plan/axis-terms.js';
import { LatencyCache } from '../../src/plan/latency-cache.js';
import { blockOfConvolutions, LatencyModel } from '../../src/plan/latency-model.js';
import { timedLayers } from '../../src/plan/timed-layers.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { convModel } from '../conv.js';
import { analyse, CPU, randomFeeds } from '../dense.js';
import { smoothNetwork } from '../networks.js';

const BATCH = 4;

async function shapesOf(model: Model) {
  return probeShapes(model, randomFeeds(model, BATCH), CPU);
}

/** 3 → 32, depthwise 32, 32 → 48, transposed 48 → 16, pooled → 2. */
const net = convModel([3, 16, 16], (n) => {
  const a = n.op('Relu', [n.conv('x', [3, 32])]);
  const b = n.op('Relu', [n.depthwise(a, 32)]);
  const c = n.op('Relu', [n.conv(b, [32, 48], { kernel: [1, 1], attributes: {} })]);
  const d = n.op('Relu', [n.transposed(c, [48, 16])]);
  return n.gemm(n.op('Flatten', [n.op('GlobalAveragePool', [d])]), [16, 2]);
});

describe('timedLayers', () => {
  it('cuts every kind of layer along its channels', async () => {
    const analysis = await analyse(net, BATCH);
    const layers = timedLayers(net, new AxisTerms(net, analysis), await shapesOf(net));
    const nodes = layers.map((layer) => layer.at(6, 8));
    expect(nodes.map(({ opType, input, weight }) => [opType, input, weight])).toEqual([
      ['Conv', [BATCH, 6, 16, 16], [8, 6, 3, 3]],
      // As many inputs as outputs.
      ['Conv', [BATCH, 8, 16, 16], [8, 1, 3, 3]],
      ['Conv', [BATCH, 6, 16, 16], [8, 6, 1, 1]],
      ['ConvTranspose', [BATCH, 6, 16, 16], [6, 8, 2, 2]],
      ['Gemm', [BATCH, 6], [6, 8]],
    ]);
    expect(nodes[1]!.attributes.get('group')).toMatchObject({ value: 8 });
    expect(new Set(layers.map((l) => l.key)).size).toBe(5);
  });
});

/** A cache that holds every time already, as a function of a layer's lengths: a machine without noise. */
function known(time: (input: number, output: number) => number): LatencyCache {
  return {
    get: (key: string) => {
      const lengths = key.split(' ').slice(-2).map(Number) as [number, number];
      return time(...lengths);
    },
  } as unknown as LatencyCache;
}

describe('LatencyModel', () => {
  const models: [string, Model][] = [
    ['convolutions', net],
    ['dense layers', smoothNetwork({ hidden: 256 })],
  ];

  it.each(models)('%s: gives what was measured at full width, and less for less', async (_, model) => {
    const analysis = await analyse(model, BATCH);
    const cache = await LatencyCache.open(undefined);
    const full = 10;
    const latency = await LatencyModel.measure(model, analysis, await shapesOf(model), full, cache);
    const sizes = analysis.spaces.map((s) => s.channels.length);
    expect(latency.latency(sizes)).toBeCloseTo(full, 6);
    for (let i = 0; i < sizes.length; i++) {
      let before = 0;
      for (let width = 1; width <= sizes[i]!; width++) {
        const time = latency.latency(sizes.with(i, width));
        expect(time).toBeGreaterThanOrEqual(before - 1e-12);
        before = time;
      }
      expect(latency.latency(sizes.with(i, 1))).toBeLessThan(full);
    }
  });

  it('counts layers that take longer than the whole as shares of it', async () => {
    const model = smoothNetwork({ hidden: 256 });
    const analysis = await analyse(model, BATCH);
    const cache = known((input, output) => input * output);
    const latency = await LatencyModel.measure(model, analysis, await shapesOf(model), 10, cache);
    expect(latency.latency([256, 256])).toBeCloseTo(10, 6);
    // Three layers: 2 × w, w × w, w × 3.
    const work = (w: number): number => w * w + 5 * w;
    expect(latency.latency([128, 128])).toBeCloseTo((10 * work(128)) / work(256), 1);
  });

  it('is linear between the lengths that were timed, and counts what is not timed by its elements', async () => {
    const model = smoothNetwork({ hidden: 256 });
    const analysis = await analyse(model, BATCH);
    const shapes = await shapesOf(model);
    const latency = await LatencyModel.measure(
      model,
      analysis,
      shapes,
      10,
      known((_, output) => output / 256),
    );
    // One millisecond for each of two layers, 3/256 for the last: the rest goes with two activations of 256.
    const rest = 10 - 2 - 3 / 256;
    expect(latency.latency([256, 100])).toBeCloseTo(1 + 100 / 256 + 3 / 256 + (rest * (256 + 100)) / 512, 6);
  });

  it('measures nothing again that the cache holds', async () => {
    const analysis = await analyse(net, BATCH);
    const shapes = await shapesOf(net);
    const cache = await LatencyCache.open(undefined);
    const first = await LatencyModel.measure(net, analysis, shapes, 10, cache);
    const again = await LatencyModel.measure(net, analysis, shapes, 10, cache);
    // Measured twice, no two times are alike.
    expect(again.latency([8, 16, 8])).toBe(first.latency([8, 16, 8]));
  });
});

describe('blockOfConvolutions', () => {
  it('is a size that kernels have', async () => {
    expect([1, 8, 16]).toContain(await blockOfConvolutions(await LatencyCache.open(undefined)));
  });

  it('is read off the times', async () => {
    const blockOf = async (times: number[]): Promise<number> => {
      const cache = await LatencyCache.open(undefined);
      [64, 68, 72, 80].forEach((width, i) => {
        cache.set(`block ${width}`, times[i]!);
      });
      return blockOfConvolutions(cache);
    };
    expect(await blockOf([1, 1.25, 1.25, 1.25])).toBe(16);
    expect(await blockOf([1, 1.12, 1.12, 1.25])).toBe(8);
    expect(await blockOf([1, 1.06, 1.12, 1.25])).toBe(1);
  });
});
