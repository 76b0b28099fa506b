import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../src/onnx/index.js';
import type { Plan } from '../../src/plan/plan.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
let data: string[];
beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  data = ['--data', writeNpz(inside(), 'data.npz', { x: normalRows(400) }), '--tolerance', 'nrmse=1'];
});

const reduce = (output: string, ...options: string[]): string[] => [
  inside('net.onnx'),
  inside(output),
  ...data,
  ...options,
];
const widthOf = async (file: string): Promise<number> =>
  (await readModel(inside(file))).graph.initializers.get('b1')!.dims[0]!;

describe('--plan-out and --plan', () => {
  it('write widths, and apply them after an edit', async () => {
    const first = await runCli(reduce('small.onnx', '--keep-params', '0.5', '--plan-out', inside('plan.json')));
    expect(first.code).toBe(0);
    const plan = JSON.parse(readFileSync(inside('plan.json'), 'utf8')) as Plan;
    expect(plan).toMatchObject({ schemaVersion: 1, model: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(plan.spaces[0]!.keep).toBe(await widthOf('small.onnx'));
    const edited = { ...plan, spaces: [{ ...plan.spaces[0]!, keep: 7 }, plan.spaces[1]!] };
    writeFileSync(inside('edited.json'), JSON.stringify(edited));
    expect((await runCli(reduce('edited.onnx', '--plan', inside('edited.json')))).code).toBe(0);
    expect(await widthOf('edited.onnx')).toBe(7);
  });

  it('take the document of a whole run as a plan', async () => {
    const { stdout } = await runHere(reduce('a.onnx', '--keep-params', '0.5', '--json'));
    writeFileSync(inside('run.json'), stdout);
    expect((await runHere(reduce('b.onnx', '--plan', inside('run.json')))).code).toBe(0);
    expect(await widthOf('b.onnx')).toBe(await widthOf('a.onnx'));
  });

  it.each([
    ['no JSON', '{', /the plan cannot be read/],
    ['a list', '[]', /no JSON object/],
    ['another version', '{"schemaVersion": 9, "spaces": []}', /its schemaVersion is 9, not 1/],
    ['no spaces', '{"schemaVersion": 1}', /'spaces' is no list/],
    ['half a space', '{"schemaVersion": 1, "spaces": [{"nodes": ["fc1"]}]}', /'spaces' is no list/],
  ])('%s ends with code 2', async (_, text, message) => {
    writeFileSync(inside('bad.json'), text);
    const { code, stderr } = await runHere(reduce('c.onnx', '--plan', inside('bad.json')));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('a plan that cannot be written ends with code 2', async () => {
    const { code, stderr } = await runHere(
      reduce('d.onnx', '--keep-params', '0.5', '--plan-out', inside('no/plan.json')),
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/plan\.json/);
  });
});
