import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { configText, parseConfig } from '../../src/cli/config.js';
import { OPTIONS, type CommandName } from '../../src/cli/options.js';
import { CondenseError, ExitCode, type Diagnostic } from '../../src/diagnostics/diagnostic.js';
import { writeModel } from '../../src/onnx/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { runCli, runHere, sharedFolder } from './cli.js';

/** What a configuration sets for a command. */
function valuesOf(content: unknown, command: CommandName = 'reduce'): Record<string, unknown> {
  return Object.fromEntries(parseConfig(content, 'c.json').values.get(command)!);
}

function refusal(content: unknown): Diagnostic {
  try {
    parseConfig(content, 'c.json');
  } catch (error) {
    if (error instanceof CondenseError) return error.diagnostic;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('values mean what the flag means', () => {
  it.each([
    ['data', 'x.npz', ['x.npz']],
    ['data', ['x.npz', 'y.csv'], ['x.npz', 'y.csv']],
    ['keepParams', 0.25, 0.25],
    ['size', '2MB', 2e6],
    ['size', 2e6, 2e6],
    ['keep', { fc1: 64, fc2: '50%', fc3: { ratio: 0.25 } }, new Map<string, unknown>([['fc1', 64], ['fc2', { ratio: 0.5 }], ['fc3', { ratio: 0.25 }]])], // prettier-ignore
    ['threshold', 0.9, new Map([['*', 0.9]])],
    ['threshold', { fc1: 0.9 }, new Map([['fc1', 0.9]])],
    ['group', 'blocks', 'blocks'],
    ['group', { key: 'trial' }, { key: 'trial' }],
    ['maxError', 1e-3, 1e-3],
    ['maxError', { score: { ratio: -0.005 } }, { score: { ratio: -0.005 } }],
    ['augment', { flip: true, shift: 0.1 }, { flip: true, shift: 0.1 }],
    [
      'augment',
      { zoom: 0.2, turn: 5, light: 0.1, cut: true, mix: 1 },
      { zoom: 0.2, turn: 5, light: 0.1, cut: true, mix: 1 },
    ],
    ['scale', [0.5, 1, 2], [0.5, 1, 2]],
    ['imageSize', [192, 256], [192, 256]],
    ['roundTo', 'auto', 'auto'],
    ['method', 'cosine', 'cosine'],
    ['gate', false, false],
    ['json', true, true],
    ['externalData', true, true],
    ['externalData', 'weights.bin', 'weights.bin'],
  ])('%s: %j', (key, value, wanted) => {
    expect(valuesOf({ [key]: value })).toEqual({ [key]: wanted });
    // And what is printed can be read again.
    const printed = JSON.parse(configText({ [key]: wanted })) as unknown;
    expect(valuesOf(printed)).toEqual({ [key]: wanted });
  });

  it('options on images stand in one object, as in the library, or each for itself', () => {
    expect(valuesOf({ images: { size: [2, 3], mean: [1] } })).toEqual({ imageSize: [2, 3], mean: [1] });
  });

  it('a section holds for its command alone and wins there; general options go to every command that has them', () => {
    const content = { batch: 8, json: true, bench: { batch: [1, 64], json: false }, distill: { train: { epochs: 5 } } };
    expect(valuesOf(content)).toEqual({ batch: 8, json: true });
    expect(valuesOf(content, 'bench')).toEqual({ batch: [1, 64], json: undefined });
    expect(valuesOf(content, 'distill')).toEqual({ batch: 8, json: true, train: { epochs: 5 } });
    expect(valuesOf({ distill: '5epochs' })).toEqual({ distill: { epochs: 5 } });
  });
});

it('keys are the names of the flags in camel case, as docs/cli.md says', () => {
  for (const { key, flags } of OPTIONS) {
    const name = /^--(?:no-)?([a-z-]+)/.exec(flags)![1]!;
    expect(key).toBe(name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()));
  }
});

describe('what is no configuration', () => {
  it.each([
    [{ keepParam: 1 }, 'CONFIG_KEY_UNKNOWN', /no option 'keepParam'/, /Did you mean 'keepParams'\?/],
    [{ reduce: { points: 3 } }, 'CONFIG_KEY_UNKNOWN', /command reduce has no option 'points'/, /docs\/cli\.md/],
    [{ redcue: {} }, 'CONFIG_KEY_UNKNOWN', /no option 'redcue'/, /'reduce'/],
    [{ images: { sise: 3 } }, 'CONFIG_KEY_UNKNOWN', /'images\.sise'/, /'size'/],
    [{ printConfig: true }, 'CONFIG_KEY_UNKNOWN', /'printConfig'/, /./],
    [{ gate: 'no' }, 'CONFIG_VALUE_WRONG', /"no" is no value of the option 'gate'/, /--no-gate/],
    [{ keepParams: true }, 'CONFIG_VALUE_WRONG', /true is no value/, /--keep-params/],
    [{ keep: { fc1: null } }, 'CONFIG_VALUE_WRONG', /'keep'/, /--keep/],
    [{ keepParams: 'half' }, 'OPTION_INVALID', /'half' is not what --keep-params takes/, /number above 0/],
    [{ method: 'magic' }, 'OPTION_INVALID', /'magic'/, /exact, cosine, span/],
    [[], 'CONFIG_UNREADABLE', /no object/, /JSON/],
  ])('%j', (content, code, message, advice) => {
    const diagnostic = refusal(content);
    expect(diagnostic).toMatchObject({ code, exitCode: ExitCode.Usage });
    expect(diagnostic.where).toMatch(/^c\.json/);
    expect(diagnostic.message).toMatch(message);
    expect(diagnostic.advice).toMatch(advice);
  });
});

describe('on the command line', () => {
  const inside = sharedFolder();

  beforeAll(async () => {
    await writeModel(smoothNetwork(), inside('net.onnx'));
    writeNpz(inside(), 'data.npz', { x: normalRows(400) });
  });

  /** A folder with a configuration in it. */
  function folderWith(name: string, text: string): string {
    const folder = inside(`folder of ${name} ${text.length}`);
    mkdirSync(folder);
    writeFileSync(path.join(folder, name), text);
    return folder;
  }

  it('the file in the working folder is found; flags win, repeated ones too', async () => {
    const text = JSON.stringify({ data: inside('no.npz'), reduce: { keepParams: 0.5, holdout: 0.3 }, quiet: true });
    const folder = folderWith('onnx-condense.config.json', text);
    // What flags that begin with --no- leave on.
    const kept = { gate: true, latencyCache: true };
    const { code, stdout } = await runHere(
      ['--print-config', '--keep-params', '0.4', '--data', 'a', '--data', 'b'],
      folder,
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ data: ['a', 'b'], keepParams: 0.4, holdout: 0.3, quiet: true, ...kept });
    const sweep = await runHere(['sweep', '--print-config'], folder);
    expect(JSON.parse(sweep.stdout)).toEqual({ data: [inside('no.npz')], quiet: true, gate: true });
    expect(JSON.parse((await runHere(['--print-config', '--no-config'], folder)).stdout)).toEqual(kept);
  });

  it('a run takes its options from a module that --config names, and says so', async () => {
    const options = { data: [inside('data.npz')], keepParams: 0.5, json: true };
    const file = path.join(folderWith('mine.mjs', `export default ${JSON.stringify(options)};`), 'mine.mjs');
    const { code, stdout, stderr } = await runCli([inside('net.onnx'), inside('small.onnx'), '--config', file]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr.split('\n')[0]).toBe(`options are taken from ${file} as well`);
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, status: 'reduced' });
  });

  it('files that cannot be read, are not there, or are two', async () => {
    const broken = folderWith('onnx-condense.config.json', '{');
    expect(await runHere(['a', 'b', '--data', 'c'], broken)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/configuration cannot be read/) as string,
    });
    expect(await runHere(['diff', 'a', 'b', '--config=absent.json'], inside())).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/it does not exist.*absent\.json/) as string,
    });
    writeFileSync(path.join(broken, 'onnx-condense.config.mjs'), 'export default {}');
    expect((await runHere(['diff', 'a', 'b'], broken)).stderr).toMatch(/several configuration files/);
    expect((await runHere(['--help'], broken)).code).toBe(0);
  });
});
