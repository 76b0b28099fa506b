// Everything that a command writes, to places that take nothing: said before the work where it can be known, and told once where it cannot.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/onnx/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { filesIn, mainFile, runCli, runHere, sharedFolder } from './cli.js';

const inside = sharedFolder();
beforeAll(async () => {
  await writeModel(smoothNetwork(), inside('net.onnx'));
  await writeModel(smoothNetwork({ hidden: 6 }), inside('student.onnx'));
  writeNpz(inside(), 'data.npz', { x: normalRows(200) });
  mkdirSync(inside('folder.onnx'));
  // What a sidecar would be called: `side.condense.json` beside `side.onnx`.
  mkdirSync(inside('side.condense.json'));
});

/** A command line that writes to `place`, but for the data. @param model where the model goes otherwise */
type Call = (place: string, model: string) => readonly string[];
const reduce = (output: string, ...more: string[]): string[] => [
  inside('net.onnx'),
  output,
  '--keep',
  'fc1=20',
  ...more,
];
const sweep = (output: string, ...more: string[]): string[] => [
  ...['sweep', inside('net.onnx'), output, '--points', '2', '--pick', '1', '--tolerance', '1'],
  ...more,
];
const distill = (output: string, ...more: string[]): string[] => [
  ...['distill', inside('net.onnx'), inside('student.onnx'), output, '--train', '20steps', '--tolerance', 'nrmse=99'],
  ...more,
];
const triton = (place: string): string[] => ['--emit', `triton:${place}/net`];

/** Files by what writes them. */
const FILES: Readonly<Record<string, Call>> = {
  'reduce, the model': (place) => reduce(place),
  'reduce --plan-out': (place, model) => reduce(model, '--plan-out', place),
  'reduce --report': (place, model) => reduce(model, '--report', place),
  'sweep, the model': (place) => sweep(place),
  'sweep --csv': (place, model) => sweep(model, '--csv', place),
  'sweep --report': (place, model) => sweep(model, '--report', place),
  'distill, the model': (place) => distill(place),
  'distill --report': (place, model) => distill(model, '--report', place),
  'verify --report': (place) => ['verify', inside('net.onnx'), inside('net.onnx'), '--report', place],
  'inspect --report': (place) => ['inspect', inside('net.onnx'), '--report', place],
};
const FOLDERS: Readonly<Record<string, Call>> = {
  'reduce --emit': (place, model) => reduce(model, ...triton(place)),
  'reduce --checkpoint': (place, model) => reduce(model, '--distill', '20steps', '--checkpoint', place),
  'sweep --emit': (place, model) => sweep(model, ...triton(place)),
  'distill --emit': (place, model) => distill(model, ...triton(place)),
  'distill --checkpoint': (place, model) => distill(model, '--checkpoint', place),
};

/** What must be refused before any data is read: there is none. */
async function refused(args: readonly string[]): Promise<string> {
  const before = filesIn(inside());
  const { code, stdout, stderr } = await runHere([...args, '--data', inside('absent.npz')]);
  expect({ code, stdout, stderr }).toMatchObject({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^onnx-condense: The (output|report) cannot be written: .+\n( {2}.+\n)*$/);
  expect(filesIn(inside())).toEqual(before);
  return stderr;
}

/** A folder in which neither permissions nor an administrator can make a file. */
const takesNothing = (place: string): (readonly [string, () => string, RegExp])[] =>
  process.platform === 'linux'
    ? [['a folder that takes nothing', () => place, /takes no files|permission denied|read-only/]]
    : [];

describe('2, before the work', () => {
  const files: readonly (readonly [string, () => string, RegExp])[] = [
    ['a folder that is not there', () => inside('missing', 'x.onnx'), /its folder does not exist.*missing/],
    ['a folder', () => inside('folder.onnx'), /it is a folder.*folder\.onnx/],
    ['below a file', () => inside('net.onnx', 'x.onnx'), /part of the path is not a folder/],
    ['a device', () => '/dev/null', /it is no ordinary file/],
    ['a file of the run', () => inside('absent.npz'), /it is another file of this run.*absent\.npz/],
    ['a name that is too long', () => inside(`${'x'.repeat(300)}.onnx`), /the name is too long/],
    ...takesNothing('/proc/x.onnx'),
  ];

  describe.each(Object.entries(FILES))('%s', (_name, call) => {
    it.each(files)('%s', async (_where, place, reason) => {
      expect(await refused(call(place(), inside('out.onnx')))).toMatch(reason);
    });
  });

  describe.each(Object.entries(FOLDERS))('%s', (_name, call) => {
    it.each([
      ['below a file', () => inside('net.onnx'), /part of the path is not a folder/] as const,
      ...takesNothing('/proc'),
    ])('%s', async (_where, place, reason) => {
      expect(await refused(call(place(), inside('out.onnx')))).toMatch(reason);
    });
  });

  it.each(['reduce', 'sweep', 'distill'])(
    '%s --sidecar, --external-data, and two outputs in one place',
    async (name) => {
      const call = { reduce, sweep, distill }[name]!;
      expect(await refused(call(inside('side.onnx'), '--sidecar'))).toMatch(/it is a folder.*side\.condense\.json/);
      const sidecar = ['--sidecar', '--report', inside('out.condense.json')];
      expect(await refused(call(inside('out.onnx'), ...sidecar))).toMatch(
        /another file of this run.*out\.condense\.json/,
      );
      expect(await refused(call(inside('out.onnx'), '--report', inside('out.onnx')))).toMatch(
        /another file of this run/,
      );
      const away = await runHere([
        ...call(inside('out.onnx'), '--external-data', '../x'),
        '--data',
        inside('absent.npz'),
      ]);
      expect(away).toMatchObject({ code: 2, stderr: expect.stringMatching(/plain file name/) as string });
    },
  );

  it('the model over an input', async () => {
    const over = (args: string[]) => runHere([...args, '--data', inside('absent.npz')]);
    for (const args of [reduce(inside('net.onnx')), sweep(inside('folder.onnx', '..', 'net.onnx'))])
      expect(await over(args)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--in-place/) as string });
    expect(await over(distill(inside('student.onnx')))).toMatchObject({ code: 2 });
    // The student can be asked to make room, the teacher cannot.
    expect(await refused(distill(inside('net.onnx'), '--in-place'))).toMatch(/another file of this run/);
    expect((await over(distill(inside('student.onnx'), '--in-place'))).stderr).toMatch(/absent\.npz' does not exist/);
  });
});

/** How to run something with file systems of its own: as an administrator, or in a user's own namespace. */
const apart = [['unshare', '-m'], ['unshare', '-rm'] as const].find(
  ([command, flags]) => spawnSync(command!, [flags!, 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0,
);
if (apart === undefined) console.warn('runs on a full disk are not tested: no file system can be mounted here');

describe.skipIf(apart === undefined)('2, on a full disk', () => {
  /** Runs a command line while `disk` is a file system without a free byte, on which `older` already holds that word. */
  function onFullDisk(args: readonly string[], older: string): { code: number | null; stderr: string; left: string } {
    const script = `mount -t tmpfs -o size=32k none "$DISK" || exit 99
      printf older > "$DISK/$OLDER"; cat /dev/zero > "$DISK/filler" 2>/dev/null
      "$@"; code=$?
      (cd "$DISK" && find . | sort && cat "$OLDER") > "$LEFT"
      exit $code`;
    const env = { ...process.env, DISK: inside('disk'), OLDER: older, LEFT: inside('left') };
    const [command, ...flags] = [...apart!, 'sh', '-c', script, 'sh', process.execPath, mainFile, ...args];
    const child = spawnSync(command!, flags, { env, encoding: 'utf8' });
    return { code: child.status, stderr: child.stderr, left: readFileSync(inside('left'), 'utf8') };
  }

  let model: string;
  beforeEach(() => {
    mkdirSync(inside('disk'), { recursive: true });
    model = inside(`made-${Math.random()}.onnx`);
  });

  const external = ['--external-data', '--external-threshold', '1'];
  it.each<readonly [string, string, Call]>([
    ...Object.entries(FILES).map(([name, call]) => [name, 'old.onnx', call] as const),
    ['reduce --external-data', 'old.onnx', (place) => reduce(place, ...external)],
    ...Object.entries(FOLDERS).map(([name, call]) => [name, 'old.txt', call] as const),
    ['reduce, a copy', 'old.onnx', (place) => reduce(place, '--keep', 'fc1=24')],
  ])('%s', (name, older, call) => {
    const place = name in FOLDERS ? inside('disk', 'models') : inside('disk', older);
    const { code, stderr, left } = onFullDisk([...call(place, model), '--data', inside('data.npz'), '--quiet'], older);
    expect({ code, stderr }).toMatchObject({ code: 2 });
    expect(stderr).toMatch(
      /^onnx-condense: The (output|report) cannot be written: no space is left on the disk\. .+\n {2}.+\n$/,
    );
    expect(stderr).toContain(place);
    // A checkpoint's folder is made before there is anything to put into it.
    const made = name.endsWith('--checkpoint') ? './models\n' : '';
    expect(left).toBe(`.\n./filler\n${made}./${older}\nolder`);
    // The model is elsewhere, and is not lost with the rest.
    const lost = name.includes('the model') || made !== '' || !/^(reduce|sweep|distill) --(?!external)/.test(name);
    expect(existsSync(model)).toBe(!lost);
  });
});

it('a plan takes the place of an older file, also where the check fails', async () => {
  writeFileSync(inside('plan.json'), 'older');
  const args = [...reduce(inside('made.onnx'), '--plan-out', inside('plan.json')), '--data', inside('data.npz')];
  expect((await runCli([...args, '--tolerance', 'nrmse=1e-12', '--quiet'])).code).toBe(3);
  expect(JSON.parse(readFileSync(inside('plan.json'), 'utf8'))).toMatchObject({ schemaVersion: 1 });
  expect(filesIn(path.dirname(inside('plan.json'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
