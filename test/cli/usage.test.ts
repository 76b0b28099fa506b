import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/onnx/index.js';
import { buildModel, node } from '../build-model.js';
import { weights } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runCli, runHere, sharedFolder, type CliResult } from './cli.js';

const inside = sharedFolder();

beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  writeNpz(inside(), 'data.npz', { x: normalRows(100), trial: normalRows(100) });
  mkdirSync(inside('folder'));
});

/** Runs `reduce`, which must refuse with code 2 before it writes anything; returns stderr. */
async function refused(
  args: readonly string[],
  run: (args: readonly string[]) => Promise<CliResult> = runCli,
): Promise<string> {
  const before = filesIn(inside());
  const { code, stdout, stderr } = await run(args);
  expect({ code, stderr }).toMatchObject({ code: 2 });
  expect(stdout).toBe('');
  expect(filesIn(inside())).toEqual(before);
  return stderr;
}

const reduce = (...options: string[]): string[] => [inside('net.onnx'), inside('small.onnx'), ...options];
const withData = (...options: string[]): string[] => reduce('--data', inside('data.npz'), ...options);

describe('wrong options end with code 2', () => {
  it.each([
    ['--method magic', /'magic' is not what --method takes.*\n.*exact, cosine, span/],
    ['--tolerance rmse=1', /'rmse=1' is not understood.*\n.*nrmse, max-abs/],
    ['--plan absent.json', /the plan cannot be read: it does not exist/],
    ['--keep fc9=8', /is called 'fc9'.*\n.*fc1, fc2/],
    ['--keep-params 0.5 --external-data ../away.bin', /plain file name/],
  ])('%s', async (options, message) => {
    expect(await refused(withData(...options.split(' ')))).toMatch(message);
  });

  it.each([
    ['--holdout 1.5', /'1.5' is not what --holdout takes/],
    ['--max-rows 0', /'0' is not what --max-rows takes/],
    ['--threshold 2', /'2' is not what --threshold takes/],
    ['--keep-params=-1', /--keep-params/],
    ['--keep fc1=0', /--keep/],
    ['--keep fc1=101%', /--keep/],
    ['--max-error nrmse=', /--max-error/],
    ['--keep-macs=-1', /--keep-macs/],
    ['--size 0', /'0' is not what --size takes/],
    ['--row-tolerance 0', /--row-tolerance/],
    ['--group nobody', /no array 'nobody' to group by; it has trial/],
    ['--method exact --keep-params 0.5', /exact.*takes no budget/],
    ['--evidence data', /belongs to --method exact/],
    ['--threshold 0.9', /belongs to --method cosine/],
    ['--method cosine --keep fc1=8', /does not apply to --method cosine/],
    ['--keep fc1=25', /'fc1' cannot be set: it has 24 channels/],
    ['--method cosine --threshold fc9=0.9', /is called 'fc9'/],
    ['--classes scores', /no output 'scores'/],
    ['--include fc9', /is called 'fc9'/],
    ['--exclude fc1 --exclude act1', /is called 'act1'/],
  ])('%s', async (options, message) => {
    expect(await refused(withData(...options.split(' ')), runHere)).toMatch(message);
  });
});

describe('data that does not fit ends with code 2', () => {
  const rows = normalRows(100);

  it.each([
    ['another rank', { x: { ...rows, dims: [200] } }, /'x' wants \[rows, 2\], the data has \[200\]/],
    ['a single row', { x: { ...rows, dims: [1, 2], data: new Float32Array(2) } }, /1 row\(s\) cannot be split/],
  ] as const)('%s', async (_name, arrays, message) => {
    const data = writeNpz(inside(), 'wrong.npz', arrays);
    expect(await refused(reduce('--data', data), runHere)).toMatch(message);
  });

  it('no known format, other rows for the check that are not there', async () => {
    writeFileSync(inside('data.xls'), '1,2');
    expect(await refused(reduce('--data', inside('data.xls')), runHere)).toMatch(
      /in no format that is known.*\n.*file\.npz/,
    );
    expect(await refused(withData('--test', inside('no.npz')), runHere)).toMatch(/no\.npz' does not exist/);
  });

  it('NaN that the model makes of a row: the node and the row are named', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      nodes: [
        node('Gemm', ['x', 'w1'], ['h'], {}, { name: 'fc1' }),
        node('Exp', ['h'], ['a'], {}, { name: 'act' }),
        node('Gemm', ['a', 'w2'], ['y'], {}, { name: 'fc2' }),
      ],
      initializers: [weights('w1', [2, 6]), weights('w2', [6, 2])],
      outputs: [{ name: 'y', shape: ['batch', 2] }],
    });
    await writeModel(model, inside('exp.onnx'));
    const large = Float32Array.from(rows.data as Float32Array, (v, i) => (i === 31 ? 1e4 : v));
    // Every --data row is fitted here, so row 15 is not among those that only the check sees.
    const test = writeNpz(inside(), 'test.npz', { x: rows });
    const data = writeNpz(inside(), 'wrong.npz', { x: { ...rows, data: large } });
    const stderr = await refused([inside('exp.onnx'), inside('small.onnx'), '--data', data, '--test', test]);
    expect(stderr).toMatch(/activation 'a' read by node 'fc2', first at calibration row 15/);
  });
});
