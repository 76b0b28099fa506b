import { closeSync, openSync, readSync } from 'node:fs';
import { raise } from '../diagnostics/diagnostic.js';
import { externalDataOutOfRange, externalDataUnreadable } from '../diagnostics/onnx.js';
import type { TensorStorage } from '../graph/tensor.js';
import { reasonOf } from './file-errors.js';

/** Bytes per read call: bounds the memory of a copy from file to file. */
const PIECE = 8 << 20;

/** Tensor data in a range of a file; nothing of it is in memory until it is asked for, and nothing is kept afterwards. */
export class FileRange implements TensorStorage {
  /**
   * @param path the data file, absolute and resolved
   * @param location as the model spells it
   * @param tensor name for messages
   */
  constructor(
    readonly path: string,
    readonly location: string,
    readonly offset: number,
    readonly byteLength: number,
    private readonly tensor: string,
  ) {}

  /** @throws CondenseError when the file has changed or gone since the model was read. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.byteLength);
    let at = 0;
    for (const piece of this.pieces((length) => all.subarray(at, at + length))) at += piece.byteLength;
    return all;
  }

  /**
   * The bytes in pieces of at most 8 MiB.
   * @param room memory for the next piece; fresh memory if left out, so that pieces stay valid
   * @throws CondenseError as {@link bytes}.
   */
  *pieces(room: (length: number) => Uint8Array = (length) => new Uint8Array(length)): Generator<Uint8Array> {
    let file: number;
    try {
      file = openSync(this.path, 'r');
    } catch (error) {
      return raise(externalDataUnreadable(this.tensor, this.location, reasonOf(error)), error);
    }
    try {
      for (let at = 0; at < this.byteLength;) {
        const piece = room(Math.min(PIECE, this.byteLength - at));
        this.fill(file, piece, at);
        yield piece;
        at += piece.byteLength;
      }
    } finally {
      closeSync(file);
    }
  }

  private fill(file: number, piece: Uint8Array, at: number): void {
    for (let done = 0; done < piece.byteLength;) {
      let count: number;
      try {
        count = readSync(file, piece, done, piece.byteLength - done, this.offset + at + done);
      } catch (error) {
        raise(externalDataUnreadable(this.tensor, this.location, reasonOf(error)), error);
      }
      if (count === 0) raise(externalDataOutOfRange(this.tensor, this.location, 'the file ends before it'));
      done += count;
    }
  }
}
