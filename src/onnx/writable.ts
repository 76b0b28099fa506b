/** Why files could not be written where they are wanted: asked before the work, not found out after it. */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { temporaryFor } from './atomic-file.js';
import { fileErrorCode, reasonOf } from './file-errors.js';

/** What stands in the way of a file; undefined where nothing does. */
export async function fileObstacle(file: string): Promise<string | undefined> {
  const there = await stat(file).catch(() => undefined);
  if (there?.isDirectory() === true) return 'it is a folder';
  // A device would be replaced by the file.
  if (there?.isFile() === false) return 'it is no ordinary file';
  return tried(file);
}

/** The same for files in a folder that is made where it is missing, with those above it. */
export async function folderObstacle(folder: string): Promise<string | undefined> {
  let nearest = path.resolve(folder);
  while (!existsSync(nearest) && path.dirname(nearest) !== nearest) nearest = path.dirname(nearest);
  if (!(await stat(nearest).catch(() => undefined))?.isDirectory()) return 'part of the path is not a folder';
  return tried(path.join(nearest, path.basename(folder)));
}

/**
 * Makes the temporary file that writing begins with, and takes it away again, in one go as far as signals are concerned. Permissions alone do not
 * tell: they bind no administrator, and a file system may have rules of its own.
 */
function tried(file: string): string | undefined {
  const temporary = temporaryFor(path.resolve(file));
  try {
    closeSync(openSync(temporary, 'wx'));
    rmSync(temporary);
    return undefined;
  } catch (error) {
    // Some folders, as those of /proc, have no place for files whatever their permissions say.
    if (fileErrorCode(error) === 'ENOENT' && existsSync(path.dirname(temporary))) return 'its folder takes no files';
    return fileErrorCode(error) === 'ENOENT' ? 'its folder does not exist' : reasonOf(error);
  }
}
