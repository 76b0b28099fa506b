import { constants } from 'node:buffer';
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { raise } from '../diagnostics/diagnostic.js';
import { modelFileIsFolder, modelFileMissing, modelFileTooLarge, modelFileUnreadable } from '../diagnostics/onnx.js';
import type { Model } from '../graph/ir.js';
import { decodeModel } from './codec.js';
import { fileErrorCode, reasonOf } from './file-errors.js';

/** Bytes per read: files over 2 GiB cannot be read in one call. */
const PIECE = 64 << 20;

/**
 * Reads a model file. The file is held in memory once, tensors are views on it; external data is checked now and read when asked for.
 * @throws CondenseError: usage when there is no such file or it cannot be read, model invalid when it is no ONNX model or its external
 * data is missing, out of range or outside its folder.
 */
export async function readModel(path: string): Promise<Model> {
  const { bytes, sha256 } = await readFile(path);
  return decodeModel(bytes, { path, sha256 });
}

async function readFile(path: string): Promise<{ bytes: Uint8Array; sha256: string }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const stat = await file.stat();
    if (stat.isDirectory()) return raise(modelFileIsFolder(path));
    if (!stat.isFile()) return raise(modelFileUnreadable(path, 'it is not a regular file'));
    if (stat.size > constants.MAX_LENGTH) return raise(modelFileTooLarge(path, stat.size));
    return await readAll(file, stat.size);
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR') return raise(modelFileMissing(path), error);
    if (code === 'EISDIR') return raise(modelFileIsFolder(path), error);
    return raise(modelFileUnreadable(path, reasonOf(error)), error);
  } finally {
    await file?.close();
  }
}

async function readAll(file: FileHandle, size: number): Promise<{ bytes: Uint8Array; sha256: string }> {
  const bytes = new Uint8Array(size);
  const hash = createHash('sha256');
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(bytes, at, Math.min(PIECE, size - at), at);
    // Cut short while it was read: what is there goes to the decoder, which tells what is wrong.
    if (bytesRead === 0) break;
    hash.update(bytes.subarray(at, at + bytesRead));
    at += bytesRead;
  }
  return { bytes: bytes.subarray(0, at), sha256: hash.digest('hex') };
}
