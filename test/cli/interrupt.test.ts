import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS, type CommandName } from '../../src/cli/options.js';
import { writeModel } from '../../src/onnx/index.js';
import { smoothNetwork } from '../networks.js';
import { filesIn, repoRoot, runCli, sharedFolder } from './cli.js';

const inside = sharedFolder();

/** A data module that gives 3000 rows, says so on stderr, and then does what `last` says. */
function dataModule(name: string, last: string): string {
  writeFileSync(
    inside(name),
    `export async function* loadData() {
       const data = Float32Array.from({ length: 6000 }, (_, i) => Math.sin(i * i));
       yield { x: { dims: [3000, 2], data } };
       process.stderr.write('all rows are given\\n');
       ${last}
     }`,
  );
  return inside(name);
}

beforeAll(async () => {
  await writeModel(smoothNetwork({ hidden: 500 }), inside('net.onnx'));
});

describe.each(['SIGINT', 'SIGTERM'] as const)('%s ends with code 130 and leaves the files alone', (signal) => {
  it.each([
    // The first run is interrupted while it waits for data, the second while it computes, which takes seconds.
    ['while data is read', 'await new Promise((resolve) => setTimeout(resolve, 60_000));'],
    ['while it computes', ''],
  ])('%s', async (name, last) => {
    const data = dataModule(`${signal} ${name}.mjs`, last);
    const folder = inside(`${signal} ${name}`);
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'old.onnx'), 'older');
    const args = ['--data', data, '--keep-params', '0.5', '--json'];
    const interrupt = { after: 'all rows are given', signal };
    const fresh = await runCli([inside('net.onnx'), path.join(folder, 'new.onnx'), ...args], interrupt);
    // Beside that at most stages that had ended before the signal.
    expect(fresh).toEqual({
      code: 130,
      stdout: '',
      stderr: expect.stringMatching(
        /^all rows are given\n([a-z]+: \d+, [\d.]+ s\n)*onnx-condense: interrupted; no half-written file is left\n$/,
      ) as string,
    });
    expect((await runCli([inside('net.onnx'), path.join(folder, 'old.onnx'), ...args], interrupt)).code).toBe(130);
    expect(filesIn(folder)).toEqual(['old.onnx']);
    expect(readFileSync(path.join(folder, 'old.onnx'), 'utf8')).toBe('older');
  });
});

describe('SIGINT ends every other command with code 130', () => {
  const waiting = 'await new Promise((resolve) => setTimeout(resolve, 60_000));';
  it.each<[CommandName, string, string, string[]]>([
    ...COMMANDS.filter((c) => c !== 'reduce').map((command): [CommandName, string, string, string[]] => [
      command,
      'reads',
      waiting,
      [],
    ]),
    // What takes long by itself; the others are through in a moment, or learn.
    ['sweep', 'computes', '', ['--points', '50']],
    ['bench', 'computes', '', ['--seconds', '60']],
  ])('%s while it %s', async (command, name, last, options) => {
    const data = dataModule(`${command} ${name}.mjs`, last);
    const folder = inside(`${command} ${name}`);
    mkdirSync(folder);
    const output = path.join(folder, 'new.onnx');
    const net = inside('net.onnx');
    const files = {
      ...{ reduce: [net, output], sweep: [net, output, '--pick', 'knee'], distill: [net, net, output] },
      ...{ verify: [net, net], bench: [net], inspect: [net], diff: [net, net] },
    }[command];
    const interrupt = { after: 'all rows are given', signal: 'SIGINT' } as const;
    const { code, stdout, stderr } = await runCli([command, ...files, '--data', data, '--json', ...options], interrupt);
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr.match(/^onnx-condense: .*$/gm)).toEqual(['onnx-condense: interrupted; no half-written file is left']);
    expect(filesIn(folder)).toEqual([]);
  });
});

it('an exit in the middle of writing leaves no temporary file', () => {
  const folder = inside('writing');
  mkdirSync(folder);
  const module = pathToFileURL(path.join(repoRoot, 'dist/src/onnx/atomic-file.js')).href;
  const script = `import { writeTemporary } from '${module}';
    import { readdirSync } from 'node:fs';
    function* chunks() {
      yield new Uint8Array(1000);
      console.log(readdirSync('.').length);
      process.exit(130);
    }
    await writeTemporary('net.onnx', chunks());`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: folder, encoding: 'utf8' });
  expect(child).toMatchObject({ status: 130, stdout: '1\n' });
  expect(filesIn(folder)).toEqual([]);
});
