import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { reduceCommand } from '../../src/cli/reduce.js';
import type { Streams } from '../../src/cli/streams.js';
import { condense, parameterCount, readModel, type CondenseReport } from '../../src/index.js';
import { temporaryFolders } from '../temporary-folder.js';
import { collection, entry, fileOf, ownData } from './collection.js';

const PARAMETERS = 489_208;

describe.skipIf(collection === undefined)('h2-combustion, on rows that no fit saw', () => {
  const folder = temporaryFolders();

  it.each([
    [0.42, 0, 1.0e-3],
    [0.25, 4, 1.6e-3],
    [0.094, 4, 5.0e-3],
    [0.043, undefined, 1.0e-2],
  ])('%f of the parameters, %s trials: mean NRMSE at most %f', async (keepParams, trials, limit) => {
    const own = entry('h2-combustion');
    const { model, report } = await condense(fileOf(own.model), {
      ...ownData(own),
      keepParams,
      ...(trials === undefined ? {} : { trials }),
    });
    expect(report.status).toBe('reduced');
    expect(report.rows).toEqual({ fit: 8000, validation: 2000, check: 4000 });
    expect(report.verification?.outputs.map((o) => o.output)).toEqual(['change']);
    expect(report.verification?.outputs[0]?.nrmse).toBeLessThanOrEqual(limit);
    const budget = Math.floor(keepParams * PARAMETERS);
    const parameters = parameterCount(model);
    expect(parameters).toBeLessThanOrEqual(budget);
    // One more neuron in the narrowest layer would cost more than this.
    expect(parameters).toBeGreaterThan(budget - 1000);
    expect(report.output.size.parameters).toBe(parameters);
    expect(report.input.size.parameters).toBe(PARAMETERS);
    expect(report.warnings).toEqual([]);
  });

  it('cosine at 0.42 fails the check honestly, and nothing is written', async () => {
    const own = entry('h2-combustion');
    const output = path.join(folder(), 'small.onnx');
    const told: string[] = [];
    const stream = { isTTY: false, columns: 160, write: (text: string) => told.push(text) > 0 };
    const code = await reduceCommand(
      fileOf(own.model),
      output,
      { ...ownData(own), method: 'cosine', keepParams: 0.42, gate: true, json: true },
      { stdout: stream, stderr: stream } as unknown as Streams,
    );
    expect(code).toBe(3);
    expect(existsSync(output)).toBe(false);
    const report = JSON.parse(told.find((t) => t.startsWith('{'))!) as CondenseReport;
    expect(report.status).toBe('check-failed');
    expect(report.output.size.parameters).toBeLessThanOrEqual(0.42 * PARAMETERS);
    const { verdict, outputs } = report.verification!;
    expect(verdict.passed).toBe(false);
    expect(verdict.failures).toMatchObject([{ output: 'change', measure: 'nrmse', limit: 0.05 }]);
    // Pairs of neurons are not nearly collinear here: merging them costs most of the signal.
    expect(outputs[0]!.nrmse).toBeGreaterThan(0.3);
    expect(outputs[0]!.nrmse).toBeLessThan(1);
  });

  it('exact finds nothing and gives the input itself back', async () => {
    const own = entry('h2-combustion');
    const original = await readModel(fileOf(own.model));
    const { model, report } = await condense(original, { ...ownData(own), method: 'exact' });
    expect(report.status).toBe('unchanged');
    expect(model).toBe(original);
  });
});
