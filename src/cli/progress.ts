import type { ProgressEvent } from '../condense/options.js';

/** Progress on one line of a terminal; nothing where the stream is none, so that logs stay readable. */
class ProgressLine {
  private shown = false;
  private last = 0;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  update(event: ProgressEvent): void {
    if (!this.stream.isTTY) return;
    const now = performance.now();
    if (now - this.last < 80) return;
    this.last = now;
    const count = event.total === undefined ? '' : ` ${event.done ?? 0}/${event.total}`;
    this.stream.write(`\r\u001b[2K${event.stage}${count} ${event.message}`.slice(0, this.stream.columns + 4));
    this.shown = true;
  }

  clear(): void {
    if (this.shown) this.stream.write('\r\u001b[2K');
    this.shown = false;
  }
}

/** Does work while a line shows how far it is, and takes the line away again. @param quiet shows none */
export async function withProgress<T>(
  stream: NodeJS.WriteStream,
  quiet: boolean | undefined,
  work: (shown: { readonly onProgress?: (event: ProgressEvent) => void }) => Promise<T>,
): Promise<T> {
  const line = new ProgressLine(stream);
  try {
    return await work(
      quiet === true || !stream.isTTY
        ? {}
        : {
            onProgress: (event) => {
              line.update(event);
            },
          },
    );
  } finally {
    line.clear();
  }
}
