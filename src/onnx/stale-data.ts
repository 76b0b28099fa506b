// Data files that a replaced model leaves behind. One is deleted only when it is certain that it belonged to that model alone.
import { lstat, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { CondenseError } from '../diagnostics/diagnostic.js';
import type { ModelSource } from '../graph/ir.js';
import { ExternalFolder } from './external-folder.js';
import { externalLocations } from './place-tensors.js';
import { Message } from './wire.js';

/** Models up to this size are read to see what they refer to; one with external data is small, a larger one counts as referring to everything. */
const SCAN_LIMIT = 64 << 20;

/**
 * Data files of the model at `target`, which is about to be replaced, that may go once it is: none that another model in the folder
 * refers to, and none of the input model unless it is the one being replaced.
 * @returns absolute paths
 */
export async function dataFilesToDrop(target: string, source: ModelSource | undefined): Promise<string[]> {
  const inPlace = source !== undefined && (await sameFile(source.path, target));
  const locations = inPlace ? new Set(source.externalFiles) : await locationsOf(target);
  if (locations === undefined || locations.size === 0) return [];
  const folder = path.dirname(target);
  const files = await resolveAll(folder, locations);
  const kept = await filesOfOtherModels(target);
  if (kept === undefined) return [];
  if (source !== undefined && !inPlace) {
    for (const file of await resolveAll(path.dirname(source.path), source.externalFiles)) kept.add(file);
  }
  return [...files].filter((file) => !kept.has(file));
}

/** Deletes data files; one that cannot be deleted is left: the new model does not need it gone. */
export async function dropDataFiles(files: readonly string[]): Promise<void> {
  for (const file of files) await rm(file, { force: true }).catch(() => undefined);
}

async function sameFile(a: string, b: string): Promise<boolean> {
  try {
    return (await realpath(a)) === (await realpath(b));
  } catch {
    return false;
  }
}

/** What the other models in the folder of `target` refer to; undefined when that cannot be told. */
async function filesOfOtherModels(target: string): Promise<Set<string> | undefined> {
  const folder = path.dirname(target);
  const files = new Set<string>();
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  for (const name of names) {
    if (!name.endsWith('.onnx') || name === path.basename(target)) continue;
    const locations = await locationsOf(path.join(folder, name));
    if (locations === undefined) return undefined;
    for (const file of await resolveAll(folder, locations)) files.add(file);
  }
  return files;
}

/** External locations of the model in a file: none for what is no model, undefined for one that is too large to read on the side. */
async function locationsOf(file: string): Promise<Set<string> | undefined> {
  try {
    const { size } = await stat(file);
    if (size > SCAN_LIMIT) return undefined;
    return externalLocations(Message.parse('ModelProto', await readFile(file)));
  } catch {
    return new Set();
  }
}

/** The regular files that locations stand for; those outside the folder and symbolic links are left out. */
async function resolveAll(folder: string, locations: Iterable<string>): Promise<Set<string>> {
  const external = new ExternalFolder(folder);
  const files = new Set<string>();
  for (const location of locations) {
    try {
      const file = external.file('', location).path;
      const link = await lstat(path.resolve(folder, location));
      if (link.isFile()) files.add(file);
    } catch (error) {
      if (!(error instanceof CondenseError)) throw error;
    }
  }
  return files;
}
