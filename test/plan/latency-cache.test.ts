import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheFolder, LatencyCache } from '../../src/plan/latency-cache.js';
import { temporaryFolders } from '../temporary-folder.js';

describe('LatencyCache', () => {
  const folder = temporaryFolders();

  it('keeps times from one run to the next', async () => {
    const where = path.join(folder(), 'not', 'there yet');
    const first = await LatencyCache.open(where);
    expect(first.get('a')).toBeUndefined();
    first.set('a', 1.5);
    await first.save();
    expect((await LatencyCache.open(where)).get('a')).toBe(1.5);
  });

  it('starts again where the file holds anything else', async () => {
    const where = folder();
    const first = await LatencyCache.open(where);
    first.set('a', 1.5);
    await first.save();
    const [name] = readdirSync(where);
    const file = path.join(where, name!);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ a: 1.5 });
    writeFileSync(file, '{"a":"long","b":2');
    const second = await LatencyCache.open(where);
    expect(second.get('b')).toBeUndefined();
    writeFileSync(file, '{"a":"long","b":2}');
    const third = await LatencyCache.open(where);
    expect([third.get('a'), third.get('b')]).toEqual([undefined, 2]);
  });

  it('does without a folder that cannot be made, and without any', async () => {
    const file = path.join(folder(), 'file');
    writeFileSync(file, '');
    for (const where of [path.join(file, 'below'), undefined]) {
      const cache = await LatencyCache.open(where);
      cache.set('a', 1);
      await cache.save();
      expect(cache.get('a')).toBe(1);
    }
  });
});

describe('cacheFolder', () => {
  it.runIf(process.platform === 'linux')('follows XDG_CACHE_HOME', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/somewhere' })).toBe('/somewhere/onnx-condense');
    expect(cacheFolder({})).toMatch(/\.cache\/onnx-condense$/);
  });
});
