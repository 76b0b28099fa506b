import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { writeModel } from '../../src/onnx/index.js';
import { convModel } from '../conv.js';
import { runCli, sharedFolder } from './cli.js';

const inside = sharedFolder();
afterEach(() => {
  vi.unstubAllEnvs();
});

beforeAll(async () => {
  const model = convModel([3, 12, 12], (net) => {
    const hidden = net.op('Relu', [net.conv('x', [3, 8])]);
    return net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [hidden])]), [8, 2]);
  });
  await writeModel(model, inside('net.onnx'));
  mkdirSync(inside('photos', 'some'), { recursive: true });
  for (let k = 0; k < 40; k++) {
    const pixels = Buffer.from(Array.from({ length: 24 * 16 * 3 }, (_, i) => (i * (k + 3) * 7 + k * 31) % 256));
    const raw = { width: 24, height: 16, channels: 3 } as const;
    const file = inside('photos', k % 2 === 0 ? 'some' : '', `${String(k)}.png`);
    await sharp(pixels, { raw }).toFile(file);
  }
});

const reduce = (...options: string[]) =>
  runCli([inside('net.onnx'), inside('out.onnx'), '--data', inside('photos'), '--keep', 'c1=6', ...options]);

it('a folder of images is calibration data', async () => {
  const options = ['--scale', '1/127.5', '--mean', '1,0.9,1.1', '--crop', 'none', '--colours', 'bgr', '--no-gate'];
  const { code, stdout } = await reduce(...options, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    rows: { fit: 32, check: 8 },
    nodes: [{ node: 'c1', before: 8, after: 6 }, {}],
  });
});

it('without sharp the message says what to install, and other data need none', async () => {
  // A loader that does not find the package, as on a machine where it was never installed.
  const hooks = `export async function resolve(name, context, next) {
    if (name === 'sharp') throw Object.assign(new Error("Cannot find package 'sharp'"), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  }`;
  writeFileSync(inside('hooks.mjs'), hooks);
  const register = `import { register } from 'node:module'; register(${JSON.stringify(pathToFileURL(inside('hooks.mjs')).href)});`;
  writeFileSync(inside('register.mjs'), register);
  vi.stubEnv('NODE_OPTIONS', `--import ${pathToFileURL(inside('register.mjs')).href}`);
  const { code, stderr } = await reduce();
  expect(code).toBe(2);
  expect(stderr).toContain('npm install sharp');
  const random = ['--data', 'random:64', '--keep', 'c1=6', '--no-gate', '--quiet'];
  expect((await runCli([inside('net.onnx'), inside('out.onnx'), ...random])).code).toBe(0);
});
