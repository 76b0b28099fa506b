// Where external tensor data may lie: in files of the model's own folder (or below), reached by a relative path. A model is untrusted
// input; without these checks it could read any file of the user into its weights.
import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { raise } from '../diagnostics/diagnostic.js';
import {
  externalDataMissing,
  externalDataOutOfRange,
  externalDataOutsideFolder,
  externalDataUnreadable,
  externalDataWithoutFolder,
} from '../diagnostics/onnx.js';
import { fileErrorCode, reasonOf } from './file-errors.js';
import { FileRange } from './file-range.js';

/** A file with external data. */
export interface DataFile {
  /** Absolute, symbolic links resolved. */
  readonly path: string;
  readonly size: number;
}

/** Resolves the external data of one model. */
export class ExternalFolder {
  private readonly files = new Map<string, DataFile>();
  private readonly ranges = new WeakSet<FileRange>();
  private readonly realFolder: string | undefined;

  /** @param folder the model's folder; undefined for a model that came as bytes without a place. */
  constructor(private readonly folder: string | undefined) {
    this.realFolder = folder === undefined ? undefined : realFolderOf(folder);
  }

  /** Locations used so far, as the model spells them. */
  get locations(): string[] {
    return [...this.files.keys()];
  }

  /** Whether the range was made here, so that the model it belongs to may go on referring to it. */
  owns(range: FileRange): boolean {
    return this.ranges.has(range);
  }

  /**
   * The range that a tensor's `external_data` entries name.
   * @param entries location, offset (0 if left out), length (`expected` if left out)
   * @param expected bytes that the tensor's shape and type need; undefined where they are not known
   * @throws CondenseError when the file is missing, lies outside the folder, or ends before the range does.
   */
  range(tensor: string, entries: ReadonlyMap<string, string>, expected: number | undefined): FileRange {
    const location = entries.get('location') ?? '';
    const file = this.file(tensor, location);
    const refuse = (detail: string): never => raise(externalDataOutOfRange(tensor, location, detail));
    const number = (key: string): number | undefined => {
      const text = entries.get(key);
      if (text === undefined) return undefined;
      const value = /^\d+$/.test(text) ? Number(text) : NaN;
      return Number.isSafeInteger(value) ? value : refuse(`its ${key} is '${text}'`);
    };
    const offset = number('offset') ?? 0;
    const length = number('length') ?? expected ?? Math.max(0, file.size - offset);
    if (expected !== undefined && length !== expected) refuse(`it has ${length} bytes, the tensor needs ${expected}`);
    if (offset + length > file.size) refuse(`it ends at byte ${offset + length}, the file has ${file.size}`);
    const range = new FileRange(file.path, location, offset, length, tensor);
    this.ranges.add(range);
    return range;
  }

  /**
   * The file that a location stands for.
   * @throws CondenseError as {@link range}.
   */
  file(tensor: string, location: string): DataFile {
    let file = this.files.get(location);
    if (file === undefined) {
      file = this.open(tensor, location);
      this.files.set(location, file);
    }
    return file;
  }

  private open(tensor: string, location: string): DataFile {
    if (this.folder === undefined || this.realFolder === undefined) return raise(externalDataWithoutFolder(tensor));
    const refuse = (how: string): never => raise(externalDataOutsideFolder(tensor, location, how));
    if (location === '') refuse('it is empty');
    // Both flavours, so that a model is refused or accepted alike on every system.
    if (path.posix.isAbsolute(location) || path.win32.isAbsolute(location)) refuse('it is an absolute path');
    if (!isInside(path.resolve(this.folder), path.resolve(this.folder, location)))
      refuse('it leaves the folder of the model');
    try {
      const real = realpathSync(path.resolve(this.folder, location));
      if (!isInside(this.realFolder, real)) refuse('it is a symbolic link out of the folder of the model');
      const stat = statSync(real);
      if (!stat.isFile()) raise(externalDataUnreadable(tensor, location, 'it is not a regular file'));
      return { path: real, size: stat.size };
    } catch (error) {
      const code = fileErrorCode(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT') raise(externalDataMissing(tensor, location), error);
      return raise(externalDataUnreadable(tensor, location, reasonOf(error)), error);
    }
  }
}

function realFolderOf(folder: string): string | undefined {
  try {
    return realpathSync(folder);
  } catch {
    // A folder that does not exist holds no data: reported when a tensor asks for it.
    return path.resolve(folder);
  }
}

/** Whether `file` lies in `folder` or below it. */
function isInside(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== '' && relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
