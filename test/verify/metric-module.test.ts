import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { judgementOf, loadMetric } from '../../src/verify/metric-module.js';
import type { UserMetric } from '../../src/verify/user-metric.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();

function moduleOf(text: string): string {
  const file = path.join(folder(), 'metric.mjs');
  writeFileSync(file, text);
  return file;
}

const diagnosticOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => (error instanceof CondenseError ? error.diagnostic : error),
  );

const higher: UserMetric = { score: () => 1 };
const lower: UserMetric = { score: () => 1, higherIsBetter: false, name: 'loss' };

describe('a metric', () => {
  it('comes from a module, with defaults for what it leaves out', async () => {
    const file = moduleOf('export const score = async () => 0.5;');
    const metric = await loadMetric(file);
    expect(metric).toMatchObject({ where: file, name: 'score', higherIsBetter: true });
    expect(await metric.score({}, {}, {})).toBe(0.5);
    const full = moduleOf('export function score() { return 1; } export const higherIsBetter = false, name = "loss";');
    expect(await loadMetric(full)).toMatchObject({ name: 'loss', higherIsBetter: false });
  });

  it('comes as an object, whose methods see their own fields', async () => {
    class Scaled implements UserMetric {
      private readonly by = 7;
      score(): number {
        return this.by;
      }
    }
    expect(await (await loadMetric(new Scaled())).score({}, {}, {})).toBe(7);
  });

  it.each([
    ['does not parse', 'export const score = (', /./],
    ['throws when it is loaded', 'throw new Error("no such luck");', /no such luck/],
    ['imports what is not there', 'import "./absent.mjs";', /absent\.mjs/],
    ['exports no score', 'export const points = () => 1;', /no function score/],
    ['exports a score that is no function', 'export const score = 1;', /no function score/],
    [
      'says nothing sensible of the direction',
      'export const score = () => 1, higherIsBetter = "yes";',
      /higherIsBetter/,
    ],
    ['has a name that is no text', 'export const score = () => 1, name = 3;', /name is no text/],
  ])('that %s is refused with its file', async (_, text, message) => {
    const file = moduleOf(text);
    expect(await diagnosticOf(loadMetric(file))).toMatchObject({
      code: 'METRIC_FAILED',
      where: file,
      exitCode: 2,
      message: expect.stringMatching(message) as string,
    });
  });

  it('that is not there is said to be missing', async () => {
    expect(await diagnosticOf(loadMetric('nowhere/metric.mjs'))).toMatchObject({
      code: 'METRIC_NOT_FOUND',
      exitCode: 2,
      message: expect.stringContaining('nowhere/metric.mjs') as string,
    });
  });
});

describe('limits on a score', () => {
  it('need a metric', async () => {
    expect(await diagnosticOf(judgementOf({ tolerance: 'score=-1%' }))).toMatchObject({
      code: 'METRIC_MISSING',
      where: '--tolerance',
      exitCode: 2,
    });
    expect(await diagnosticOf(judgementOf({ maxError: { score: 0 } }))).toMatchObject({
      code: 'METRIC_MISSING',
      where: '--max-error',
    });
  });

  it.each<[string, UserMetric, RegExp]>([
    ['+0.5%', higher, /better score, of which higher is better/],
    ['0.005', higher, /higher is better/],
    ['-0.5%', lower, /better loss, of which lower is better/],
  ])('score=%s must be for the worse', async (change, metric, message) => {
    expect(await diagnosticOf(judgementOf({ metric, tolerance: `score=${change}` }))).toMatchObject({
      code: 'SCORE_SIGN_WRONG',
      where: '--tolerance',
      exitCode: 2,
      message: expect.stringMatching(message) as string,
    });
  });

  it('the advice on a wrong sign is right', async () => {
    for (const [metric, wrong] of [
      [higher, 0.005],
      [lower, { ratio: -0.005 }],
    ] as const) {
      const refused = (await diagnosticOf(judgementOf({ metric, maxError: { score: wrong } }))) as { advice: string };
      const right = /Write (score=\S+)/.exec(refused.advice)![1]!;
      expect(await diagnosticOf(judgementOf({ metric, tolerance: right }))).toBe('it worked');
    }
  });

  it('a budget of the score takes the place of the default limits, not of a tolerance', async () => {
    const maxError = { score: -0.1 };
    expect(await judgementOf({ metric: higher, maxError })).toMatchObject({ tolerance: new Map(), scoreLimit: -0.1 });
    expect(await judgementOf({ metric: higher, maxError, tolerance: 'nrmse=0.1' })).toMatchObject({
      tolerance: new Map([['nrmse', 0.1]]),
      scoreLimit: undefined,
    });
    expect(await judgementOf({ metric: higher })).toMatchObject({ tolerance: undefined, scoreLimit: undefined });
  });
});
