// Every command against every kind of mistake: one clear message, the documented exit code, and nothing written.
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS, optionsOf, type CommandName } from '../../src/cli/options.js';
import { collect, group } from '../../src/cli/parse.js';
import { writeModel } from '../../src/onnx/index.js';
import { buildModel, node } from '../build-model.js';
import { weights } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, runHere, sharedFolder, spawnCli } from './cli.js';

const inside = sharedFolder();

/** How many models a command reads, and what follows them. */
const CALLS: Readonly<Record<CommandName, { readonly models: number; readonly rest?: readonly string[] }>> = {
  reduce: { models: 1, rest: ['out.onnx', '--keep', 'fc1=20'] },
  sweep: { models: 1, rest: ['out.onnx', '--points', '2', '--pick', '1', '--tolerance', '1'] },
  distill: { models: 2, rest: ['out.onnx', '--train', '5steps'] },
  verify: { models: 2 },
  bench: { models: 1, rest: ['--seconds', '0.01'] },
  inspect: { models: 1 },
  diff: { models: 2 },
};

/** A command line that goes well, with other models or data where these are given; `{ 0: … }` is the first model. */
function call(
  command: CommandName,
  { models = {}, data = 'data.npz' }: { models?: Readonly<Record<number, string>>; data?: string | null } = {},
): string[] {
  const { models: count, rest = [] } = CALLS[command];
  const files = Array.from({ length: count }, (_, i) => inside(models[i] ?? 'net.onnx'));
  const others = rest.map((word) => (word.endsWith('.onnx') ? inside(word) : word));
  return [command, ...files, ...others, ...(data === null ? [] : ['--data', inside(data)])];
}

beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  const wide = buildModel({
    inputs: [{ name: 'x', shape: ['batch', 5] }],
    nodes: [node('Gemm', ['x', 'w'], ['y'], {}, { name: 'fc1' })],
    initializers: [weights('w', [5, 3])],
    outputs: [{ name: 'y', shape: ['batch', 3] }],
  });
  await writeModel(wide, inside('wide.onnx'));
  writeFileSync(inside('text.onnx'), 'this is no model');
  mkdirSync(inside('folder'));
  const rows = normalRows(200);
  writeNpz(inside(), 'data.npz', { x: rows });
  writeNpz(inside(), 'name.npz', { z: rows });
  writeNpz(inside(), 'type.npz', { x: { ...rows, dtype: 'int32', data: new Int32Array(400) } });
  writeNpz(inside(), 'shape.npz', { x: { ...rows, dims: [80, 5] } });
  writeNpz(inside(), 'rows.npz', { x: { ...rows, dims: [0, 2], data: new Float32Array(0) } });
  writeNpz(inside(), 'values.npz', { x: { ...rows, data: new Float32Array(400).fill(NaN) } });
  writeFileSync(inside('damaged.npz'), 'not a zip');
  writeFileSync(inside('empty.csv'), '');
});

/** Runs what must be refused, and returns the message. */
async function refused(args: readonly string[], code: number): Promise<string> {
  const before = filesIn(inside());
  const result = await runHere(args);
  expect(result).toMatchObject({ code, stdout: '' });
  // A sentence, and lines of advice.
  expect(result.stderr).toMatch(/^onnx-condense: .+\n( {2}.+\n)*$/);
  expect(filesIn(inside())).toEqual(before);
  return result.stderr;
}

it('what these tests change goes well otherwise', async () => {
  for (const command of COMMANDS) {
    const { code, stderr } = await runHere(call(command));
    expect({ command, code, stderr }).toMatchObject({ code: 0 });
  }
});

describe.each(COMMANDS)('%s', (command) => {
  it('2: an option that does not exist, no model, a file too many', async () => {
    const unknown = await refused([...call(command), '--nope'], 2);
    expect(unknown).toMatch(/unknown option '--nope'/);
    expect(unknown).toContain(`  onnx-condense ${command} --help shows the options.\n`);
    expect(await refused([...call(command), '--jsn'], 2)).toMatch(/\n {2}Did you mean --json\?\n/);
    expect(await refused([command, '--data', inside('data.npz')], 2)).toMatch(/missing required argument/);
    if (command !== 'bench' && command !== 'inspect')
      expect(await refused([...call(command), 'third.onnx', 'fourth.onnx'], 2)).toMatch(/too many arguments/);
  });

  const parsed = optionsOf(command).filter(
    ({ choices, parse }) => choices !== undefined || (parse !== undefined && parse !== collect && parse !== group),
  );
  it.each(parsed.map(({ flags }) => flags.split(' ')[0]!))('2: %s with a value that is none', async (flag) => {
    expect(await refused([...call(command), flag, 'nonsense'], 2)).toContain(`'nonsense' is not what ${flag} takes`);
    expect(await refused([...call(command), flag], 2)).toMatch(/argument missing/);
  });

  const positions = Array.from({ length: CALLS[command].models }, (_, i) => i);
  it.each(positions)('model %i: 2 where it is not there or a folder, 4 where it is none', async (i) => {
    expect(await refused(call(command, { models: { [i]: 'absent.onnx' } }), 2)).toMatch(/not exist.*absent\.onnx/);
    expect(await refused(call(command, { models: { [i]: 'folder' } }), 2)).toMatch(/folder/);
    expect(await refused(call(command, { models: { [i]: 'text.onnx' } }), 4)).toMatch(/text\.onnx/);
  });

  it.each([
    ['absent.npz', /absent\.npz' does not exist/],
    ['damaged.npz', /damaged\.npz/],
    ['empty.csv', /empty\.csv/],
    ['name.npz', /no array for the input 'x'; it has 'z'/],
    ['type.npz', /'x' wants float32.*int32/],
    ['shape.npz', /'x' wants \[rows, 2\], the data has \[80, 5\]/],
    ['rows.npz', /'x' has no rows/],
    ['values.npz', /NaN or Inf in the data for the input 'x', first in row 0/],
  ])('2: the data, %s', async (data, message) => {
    expect(await refused(call(command, { data }), 2)).toMatch(message);
  });

  it('with --json the mistake is the document', async () => {
    for (const args of [call(command, { data: 'name.npz' }), [...call(command), '--nope']]) {
      const { code, stdout } = await runHere([...args, '--json']);
      expect(code).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ status: 'error', error: { exitCode: 2 } });
    }
  });
});

it.each(COMMANDS.filter((c) => c !== 'diff'))('%s, 2: no data at all', async (command) => {
  expect(await refused(call(command, { data: null }), 2)).toMatch(/required option '--data <spec>' not specified/);
});

it.each(['distill', 'verify', 'bench', 'inspect'] as const)('%s, 2: models that take other shapes', async (command) => {
  const args =
    CALLS[command].models > 1
      ? call(command, { models: { 1: 'wide.onnx' } })
      : [command, inside('net.onnx'), inside('wide.onnx'), '--data', inside('data.npz'), '--quiet'];
  const message =
    command === 'inspect'
      ? /'x' wants \[rows, 5\]/
      : /the input 'x' is float32 \[batch, 2\] in one and float32 \[batch, 5\] in the other/;
  expect(await refused(args, 2)).toMatch(message);
});

it('completion: 2 for another shell, none, and an option that does not exist', async () => {
  expect(await refused(['completion', 'csh'], 2)).toMatch(/'csh' is invalid.*bash, zsh, fish/);
  expect(await refused(['completion'], 2)).toMatch(/missing required argument 'shell'/);
  expect(await refused(['completion', 'bash', '--nope'], 2)).toMatch(/unknown option '--nope'/);
});

describe('stdout', () => {
  const printing: (readonly [name: string, args: () => string[]])[] = [
    ...COMMANDS.map((command) => [command, () => [...call(command), '--json', '--quiet']] as const),
    ['sweep --csv', () => [...call('sweep'), '--csv', '--quiet']],
    ['reduce --help', () => ['reduce', '--help']],
    ['reduce --print-config', () => ['reduce', '--print-config']],
    ['completion', () => ['completion', 'zsh']],
  ];

  it.skipIf(!existsSync('/dev/full'))('2: of every command where it takes no more, with one message', async () => {
    for (const [name, args] of printing) {
      const full = openSync('/dev/full', 'w');
      const { code, stderr } = await spawnCli(args(), full).result;
      closeSync(full);
      expect({ name, code }).toEqual({ name, code: 2 });
      expect(stderr).toMatch(/^onnx-condense: .*no space is left on the disk\. \(stdout\)\n {2}.+\n$/);
    }
  });

  it('0: of every command where its reader has gone, without a word', async () => {
    for (const [name, args] of printing) {
      const { process: child, result } = spawnCli(args());
      child.stdout?.destroy();
      expect({ name, ...(await result) }).toEqual({ name, code: 0, stdout: '', stderr: '' });
    }
    expect(existsSync(inside('out.onnx'))).toBe(true);
  });
});
