import { describe, expect, it } from 'vitest';
import type { Feeds, NumericArray } from '../../src/graph/feeds.js';
import { interleavedLatency, pairedRatio, type LatencyFigures } from '../../src/runtime/latency.js';
import { withSession, type Session } from '../../src/runtime/session.js';
import { CPU, randomFeeds } from '../dense.js';
import { smoothNetwork } from '../networks.js';

/** Something that is run: notes its name and takes as long as it is told to. */
function runner(name: string, notes: string[]): Session {
  return {
    run: (_feeds: Feeds) => {
      notes.push(name);
      return Promise.resolve(new Map<string, NumericArray>());
    },
  } as unknown as Session;
}

describe('interleavedLatency', () => {
  it('warms up, then runs in turn, each first as often as the other', async () => {
    const notes: string[] = [];
    const sessions = [runner('a', notes), runner('b', notes)];
    const figures = await interleavedLatency(sessions, new Map(), { seconds: 0, leastRuns: 4, warmUps: 2 });
    expect(notes.join('')).toBe('abab' + 'abbaabba');
    expect(figures.map((f) => [f.runs, f.samples.length])).toEqual([
      [4, 4],
      [4, 4],
    ]);
  });

  it('stops at the most runs, or when time is up', async () => {
    const few = await interleavedLatency([runner('a', [])], new Map(), { seconds: 100, mostRuns: 7 });
    expect(few[0]!.runs).toBe(7);
    const start = performance.now();
    await interleavedLatency([runner('a', [])], new Map(), { seconds: 0.05, mostRuns: Infinity });
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('a network with far more to do takes longer', { retry: 2 }, async () => {
    const [small, large] = [smoothNetwork({ hidden: 8 }), smoothNetwork({ hidden: 1024 })];
    const feeds = randomFeeds(small, 256);
    const [a, b] = await withSession(small, { ...CPU, purpose: 'latency' }, (s) =>
      withSession(large, { ...CPU, purpose: 'latency' }, (l) => interleavedLatency([s, l], feeds, { seconds: 0.3 })),
    );
    for (const f of [a!, b!]) {
      expect(f.median).toBeGreaterThan(0);
      expect(f.p95).toBeGreaterThanOrEqual(f.median);
    }
    expect(pairedRatio(b!, a!).median).toBeGreaterThan(3);
  });
});

describe('pairedRatio', () => {
  const figures = (samples: number[]): LatencyFigures => ({
    runs: samples.length,
    median: 0,
    p95: 0,
    mean: 0,
    samples: Float64Array.from(samples),
  });

  it('compares runs side by side: what slows both down counts for nothing', () => {
    const { median, quartiles } = pairedRatio(figures([2, 20, 4, 2]), figures([1, 10, 2, 1]));
    expect(median).toBe(2);
    expect(quartiles).toEqual([2, 2]);
  });
});
