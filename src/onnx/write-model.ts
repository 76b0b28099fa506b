import { rm } from 'node:fs/promises';
import path from 'node:path';
import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { externalNameInvalid, modelMalformed, modelTooLarge, outputUnwritable } from '../diagnostics/onnx.js';
import type { Model } from '../graph/ir.js';
import {
  commit,
  createFresh,
  fillOrRemove,
  removeOnExit,
  syncFolder,
  writeAll,
  writeTemporary,
} from './atomic-file.js';
import { PROTOBUF_LIMIT } from './codec.js';
import type { ModelOrigin } from './decode.js';
import { messageChunks, messageLength, storagePieces } from './emit.js';
import { encodeModelMessage } from './encode.js';
import { ExternalFolder } from './external-folder.js';
import { fileErrorCode, reasonOf } from './file-errors.js';
import { originOf } from './origin.js';
import { embedTensors, externalLocations, layOutExternally, type ExternalLayout } from './place-tensors.js';
import { dataFilesToDrop, dropDataFiles } from './stale-data.js';
import { WireError, type AnyMessage } from './wire.js';

/** How tensor data is kept outside the model's file. */
export interface ExternalDataOptions {
  /** Name of the data file, in the model's folder; `<model file>.data` if left out. A number is put in when the name is taken. */
  readonly name?: string;
  /** Tensors of fewer bytes stay in the model's file; 1024 if left out. */
  readonly threshold?: number;
  /** Offsets are multiples of this many bytes; 4096 if left out. */
  readonly alignment?: number;
}

/** Options of {@link writeModel}. */
export interface WriteOptions {
  /**
   * External data: how, or `false` for never. Left out, it is used when the model was read with external data, and when the file would be
   * larger than a protobuf message may be.
   */
  readonly externalData?: ExternalDataOptions | false;
  /** The largest model file in bytes; 2^31 - 1, protobuf's own limit, if left out. */
  readonly embedLimit?: number;
}

/** What was written. */
export interface WrittenModel {
  /** The model, then its data file if it has one. */
  readonly files: readonly string[];
  /** Bytes of all of them. */
  readonly byteLength: number;
}

/**
 * Writes a model file, and a data file where tensors are kept outside. The new model appears at `path` by a rename, after all of its data
 * is on the disk: a kill at any moment leaves the old model or the new one, with its data. Data files that only the replaced model used
 * are deleted afterwards.
 * @throws CondenseError: usage when the target cannot be written, model invalid when it fits no file (`externalData: false` and over
 * 2 GiB) or external data that it still refers to is gone. Nothing is left behind then.
 */
export async function writeModel(model: Model, target: string, options: WriteOptions = {}): Promise<WrittenModel> {
  try {
    const plan = planFor(model, options);
    // Asked before anything new appears in the folder, so that no new file can be taken for an old one.
    const stale = await dataFilesToDrop(target, model.source);
    const written =
      plan.layOut === undefined
        ? await writeEmbedded(plan.message, target)
        : await writeExternal(plan.layOut, target, options);
    await dropDataFiles(stale);
    return written;
  } catch (error) {
    if (error instanceof CondenseError) throw error;
    if (error instanceof WireError) return raise(modelMalformed(model.source?.path, error.message), error);
    if (fileErrorCode(error) === undefined) throw error;
    return raise(outputUnwritable(target, reasonOf(error)), error);
  }
}

type Plan =
  | { readonly message: AnyMessage; readonly layOut?: undefined }
  /** Lays the tensors out for a data file of a given name. */
  | { readonly layOut: (location: string) => ExternalLayout };

function planFor(model: Model, options: WriteOptions): Plan {
  const message = encodeModelMessage(model);
  const external =
    originOf<ModelOrigin, 'ModelProto'>(model, 'ModelProto')?.read.external ?? new ExternalFolder(undefined);
  const limit = Math.min(options.embedLimit ?? PROTOBUF_LIMIT, PROTOBUF_LIMIT);
  const { externalData } = options;
  const wasExternal = (model.source?.externalFiles.length ?? 0) > 0 || externalLocations(message).size > 0;
  if (externalData === false || (externalData === undefined && !wasExternal)) {
    const whole = wasExternal ? embedTensors(message, external) : message;
    if (messageLength(whole) <= limit) return { message: whole };
    if (externalData === false) return raise(modelTooLarge(messageLength(whole)));
  }
  const { threshold = 1024, alignment = 4096 } = externalData ?? {};
  if (!Number.isSafeInteger(alignment) || alignment < 1) {
    throw new RangeError(`alignment is ${alignment}, not a positive integer`);
  }
  const layOut = (location: string): ExternalLayout => {
    const usual = layOutExternally(message, external, { location, threshold, alignment, attributes: false });
    if (messageLength(usual.message) <= limit) return usual;
    const most = layOutExternally(message, external, { location, threshold, alignment, attributes: true });
    return messageLength(most.message) <= limit ? most : raise(modelTooLarge(messageLength(most.message)));
  };
  return { layOut };
}

async function writeEmbedded(message: AnyMessage, target: string): Promise<WrittenModel> {
  await commit(await writeTemporary(target, messageChunks(message)), target);
  return { files: [target], byteLength: messageLength(message) };
}

async function writeExternal(
  layOut: (location: string) => ExternalLayout,
  target: string,
  options: WriteOptions,
): Promise<WrittenModel> {
  const wanted =
    (options.externalData === false ? undefined : options.externalData?.name) ?? `${path.basename(target)}.data`;
  checkDataName(wanted, target);
  // Nothing large enough to move: an empty data file would only be a riddle.
  const trial = layOut(wanted);
  if (trial.entries.length === 0) return writeEmbedded(trial.message, target);

  const data = await createFresh(path.dirname(target), wanted);
  let layout = trial;
  await fillOrRemove(data.file, data.path, async () => {
    layout = data.name === wanted ? trial : layOut(data.name);
    let end = 0;
    for (const { storage, offset } of layout.entries) {
      await writeAll(data.file, new Uint8Array(offset - end));
      for (const piece of storagePieces(storage)) await writeAll(data.file, piece);
      end = offset + storage.byteLength;
    }
  });
  const referredTo = removeOnExit(data.path);
  try {
    const temporary = await writeTemporary(target, messageChunks(layout.message));
    // The name of the data file must last before a model refers to it.
    await syncFolder(path.dirname(target));
    await commit(temporary, target);
  } catch (error) {
    await rm(data.path, { force: true });
    throw error;
  } finally {
    referredTo();
  }
  return { files: [target, data.path], byteLength: messageLength(layout.message) + layout.byteLength };
}

/** Refuses a name of a data file that is none for one beside the model `target`. @throws CondenseError */
export function checkDataName(name: string, target: string): void {
  const plain = name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
  if (!plain || name === path.basename(target)) raise(externalNameInvalid(name));
}
