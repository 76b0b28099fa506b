/**
 * A model as NVIDIA Triton Inference Server takes it: `<repository>/<name>/config.pbtxt` and `<name>/1/model.onnx`; a model with external data is a
 * folder of that name with both files in it. Format: Triton's user guide, "Model Repository" and "Model Configuration"; the text form of
 * ModelConfig in triton-inference-server/common, protobuf/model_config.proto.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { madeFrom } from '../condense/provenance.js';
import { emitExists, emitTypeUnsupported } from '../diagnostics/emit.js';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import type { Dimension, Model, ValueInfo } from '../graph/ir.js';
import type { DataType } from '../graph/tensor.js';
import { removeOnExit, syncFolder, writeFileAtomically } from '../onnx/atomic-file.js';
import { reasonOf } from '../onnx/file-errors.js';
import { readModel, writeModel, type WriteOptions } from '../onnx/index.js';
import { folderObstacle } from '../onnx/writable.js';

/** Where a model goes. */
export interface TritonTarget {
  /** The folder that the server is started with. */
  readonly repository: string;
  /** The model's name in it. */
  readonly name: string;
}

/** Data types by the names of the configuration, as far as the backend for ONNX takes them. */
const TYPES: Partial<Record<DataType, string>> = {
  bool: 'TYPE_BOOL',
  uint8: 'TYPE_UINT8',
  uint16: 'TYPE_UINT16',
  uint32: 'TYPE_UINT32',
  uint64: 'TYPE_UINT64',
  int8: 'TYPE_INT8',
  int16: 'TYPE_INT16',
  int32: 'TYPE_INT32',
  int64: 'TYPE_INT64',
  float16: 'TYPE_FP16',
  float32: 'TYPE_FP32',
  float64: 'TYPE_FP64',
  string: 'TYPE_STRING',
};

/** Rows of a request at most, where the model takes any number: a limit has to be said, and a request of more rows is refused. */
const MOST_ROWS = 1024;
const [CONFIG, VERSION, MODEL] = ['config.pbtxt', '1', 'model.onnx'] as const;

/**
 * The configuration of a model. Where axis 0 of all inputs and outputs is open it is the batch, which the shapes then leave out; else there is none
 * (`max_batch_size: 0`). What a model does not say about its shapes is left to the server, which finds it when it loads the model.
 * @throws CondenseError for an element type that Triton does not have
 */
export function tritonConfig({ graph }: Model, name: string): string {
  const inputs = graph.inputs.filter((i) => !graph.initializers.has(i.name));
  const batched = hasBatch([...inputs, ...graph.outputs]);
  return [
    `name: ${JSON.stringify(name)}`,
    'backend: "onnxruntime"',
    `max_batch_size: ${batched ? MOST_ROWS : 0}`,
    ...tensors('input', inputs, batched),
    ...tensors('output', graph.outputs, batched),
    '',
  ].join('\n');
}

/** Whether axis 0 of all values is open, and one and the same where it has a name. */
function hasBatch(values: readonly ValueInfo[]): boolean {
  const leads = values.map(({ shape }) => (shape === undefined || shape.length === 0 ? 0 : shape[0]));
  const names = new Set(leads.filter((lead) => lead !== undefined));
  return names.size <= 1 && leads.every((lead) => typeof lead !== 'number');
}

function tensors(kind: 'input' | 'output', values: readonly ValueInfo[], batched: boolean): string[] {
  const types = values.map(({ name, dtype }) => (dtype && TYPES[dtype]) ?? raise(emitTypeUnsupported(name, dtype)));
  if (values.some(({ shape }) => shape === undefined))
    return [`# The model does not state the shape of every ${kind}: Triton completes them when it loads the model.`];
  const entries = values.map(({ name, shape }, i) => {
    const dims = shape!.slice(batched ? 1 : 0).map((d: Dimension) => (typeof d === 'number' ? d : -1));
    const list = dims.length === 0 ? '1' : dims.join(', ');
    return [
      '  {',
      `    name: ${JSON.stringify(name)}`,
      `    data_type: ${types[i]!}`,
      `    dims: [ ${list} ]`,
      // An empty list is no shape for Triton: the value is told as one of length 1, and taken back for the model.
      ...(dims.length === 0 ? ['    reshape: { shape: [ ] }'] : []),
      '  }',
    ].join('\n');
  });
  return [`${kind} [`, entries.join(',\n'), ']'];
}

/**
 * Refuses what could not be written later: a type that Triton does not have, a repository whose own folder is missing, and a place where another model
 * stands, unless that is to be replaced. One that came from the same input may be made again.
 * @param input the model that is about to be made smaller
 * @throws CondenseError
 */
export async function checkTriton(input: Model, target: TritonTarget, inPlace: boolean): Promise<void> {
  tritonConfig(input, target.name);
  const folder = path.join(target.repository, target.name);
  const parent = path.dirname(path.resolve(target.repository));
  if (!existsSync(parent)) raise(outputUnwritable(target.repository, `there is no folder '${parent}'`));
  const obstacle = (await folderObstacle(folder)) ?? (await folderObstacle(target.repository));
  if (obstacle !== undefined) raise(outputUnwritable(folder, obstacle));
  if (!inPlace && existsSync(folder) && !(await cameFrom(folder, input))) raise(emitExists(folder));
}

/** Whether the model in a folder was made from `input`, or is a copy of it. */
async function cameFrom(folder: string, input: Model): Promise<boolean> {
  const whole = path.join(folder, VERSION, MODEL);
  for (const file of [whole, path.join(whole, MODEL)]) {
    const model = await readModel(file).catch(() => undefined);
    if (model === undefined || input.source === undefined) continue;
    if ([model.source?.sha256, ...madeFrom(model)].includes(input.source.sha256)) return true;
  }
  return false;
}

/**
 * Writes a model into a repository: the folder appears as a whole by a rename; of one that is there, version 1 is exchanged and other versions stay. Its
 * configuration stays as well, as someone may have edited it, unless `inPlace` says that it is another model's.
 * @returns the files, relative to the repository
 * @throws CondenseError when they cannot be written; what was there is there still then
 */
export async function writeTriton(
  model: Model,
  { repository, name }: TritonTarget,
  { inPlace, ...options }: WriteOptions & { readonly inPlace: boolean },
): Promise<string[]> {
  const config = tritonConfig(model, name);
  const folder = path.join(repository, name);
  const fresh = path.join(repository, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  const finished = removeOnExit(fresh);
  const made = !existsSync(repository);
  try {
    if (made) await mkdir(repository);
    await mkdir(path.join(fresh, 'files'), { recursive: true });
    const { files } = await writeModel(model, path.join(fresh, 'files', MODEL), options);
    const inside = files.length === 1 ? VERSION : path.join(VERSION, MODEL);
    if (files.length > 1) await mkdir(path.join(fresh, VERSION));
    await rename(path.join(fresh, 'files'), path.join(fresh, inside));
    const kept = existsSync(folder) && existsSync(path.join(folder, CONFIG)) && !inPlace;
    if (!existsSync(folder)) {
      await writeFile(path.join(fresh, CONFIG), config);
      await rename(fresh, folder);
    } else {
      const before = `${fresh}.before`;
      exchange(path.join(fresh, VERSION), path.join(folder, VERSION), before);
      await rm(before, { recursive: true, force: true });
      if (!kept) await writeFileAtomically(path.join(folder, CONFIG), config);
    }
    await syncFolder(repository);
    return [
      ...(kept ? [] : [path.join(name, CONFIG)]),
      ...files.map((file) => path.join(name, inside, path.basename(file))),
    ];
  } catch (error) {
    if (error instanceof CondenseError) throw error;
    return raise(outputUnwritable(folder, reasonOf(error)), error);
  } finally {
    // What cannot be tidied away must not hide what went wrong.
    await rm(fresh, { recursive: true, force: true }).catch(() => undefined);
    // Nor does an empty repository stay behind; one with a model in it does.
    if (made) await rmdir(repository).catch(() => undefined);
    finished();
  }
}

/** Puts a folder into the place of another, in one go as far as this process is concerned: no signal is handled in between. */
function exchange(fresh: string, place: string, aside: string): void {
  const occupied = existsSync(place);
  if (occupied) renameSync(place, aside);
  try {
    renameSync(fresh, place);
  } catch (error) {
    if (occupied) renameSync(aside, place);
    throw error;
  }
}
