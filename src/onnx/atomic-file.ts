// Files that appear whole or not at all. A model is written to a temporary file beside its target, synced to the disk and renamed over it;
// a data file gets a name that did not exist, so that nothing refers to it before the model that does is renamed into place.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { raise } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { fileErrorCode, reasonOf } from './file-errors.js';

/** Bytes per write call: one call takes less than 2 GiB. */
const PIECE = 64 << 20;

/** A name in the folder of `target` for what becomes it. */
export function temporaryFor(target: string): string {
  return path.join(path.dirname(target), `.${path.basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Writes `chunks` to a new temporary file in the folder of `target` and syncs it. On failure nothing stays behind. */
export async function writeTemporary(target: string, chunks: Iterable<Uint8Array>): Promise<string> {
  const temporary = temporaryFor(target);
  const file = await open(temporary, 'wx');
  await fillOrRemove(file, temporary, async () => {
    await copyMode(target, file);
    for (const chunk of chunks) await writeAll(file, chunk);
  });
  return temporary;
}

/** Renames a finished temporary file over its target and makes the rename last; removes it when that fails. */
export async function commit(temporary: string, target: string): Promise<void> {
  const renamed = removeOnExit(temporary);
  try {
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    renamed();
  }
  await syncFolder(path.dirname(target));
}

/** Writes a small text file whole or not at all. @throws CondenseError (usage) when it cannot be written */
export async function writeFileAtomically(target: string, text: string): Promise<void> {
  try {
    await commit(await writeTemporary(target, [Buffer.from(text)]), target);
  } catch (error) {
    raise(outputUnwritable(target, reasonOf(error)), error);
  }
}

/**
 * Creates a file under `name`, or under name.1, name.2, ... (before the extension) when it is taken. Creation is exclusive, so two
 * processes never share one.
 */
export async function createFresh(
  folder: string,
  name: string,
): Promise<{ file: FileHandle; path: string; name: string }> {
  const { name: stem, ext } = path.parse(name);
  for (let i = 0; ; i++) {
    const candidate = i === 0 ? name : `${stem}.${i}${ext}`;
    const target = path.join(folder, candidate);
    try {
      return { file: await open(target, 'wx'), path: target, name: candidate };
    } catch (error) {
      if (fileErrorCode(error) !== 'EEXIST') throw error;
    }
  }
}

/** Runs `write`, syncs and closes the file; removes it when anything fails. */
export async function fillOrRemove(file: FileHandle, target: string, write: () => Promise<void>): Promise<void> {
  const finished = removeOnExit(target);
  try {
    await write();
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(target, { force: true });
    throw error;
  } finally {
    finished();
  }
}

/** Removes a file or folder should the process exit (on Ctrl-C, say) before the returned function is called. */
export function removeOnExit(file: string): () => void {
  const remove = (): void => {
    rmSync(file, { force: true, recursive: true });
  };
  process.once('exit', remove);
  return () => process.removeListener('exit', remove);
}

/** Writes all of `bytes` at the end of what was written so far. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(PIECE, bytes.byteLength - at));
    at += bytesWritten;
  }
}

/** Makes the names in a folder last. Not every system can; the files themselves are synced in any case. */
export async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch {
    // Windows has no such call, and a folder may be writable but not readable.
  } finally {
    await handle?.close();
  }
}

/** A file that is replaced passes its permissions on. */
async function copyMode(target: string, file: FileHandle): Promise<void> {
  const before = await stat(target).catch(() => undefined);
  if (before?.isFile() === true) await file.chmod(before.mode & 0o777);
}
