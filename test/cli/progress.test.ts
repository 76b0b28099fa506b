import { describe, expect, it } from 'vitest';
import { ProgressDisplay, withProgress } from '../../src/cli/progress.js';
import type { ProgressEvent } from '../../src/condense/options.js';

type Stage = ProgressEvent['stage'];

/** What events at these seconds leave on a stream. */
function shown(
  isTTY: boolean,
  events: readonly (readonly [
    second: number,
    stage: Stage,
    done: number,
    total?: number | undefined,
    more?: Partial<ProgressEvent>,
  ])[],
  end: number,
): string {
  let [text, second] = ['', 0];
  const write = (part: string): boolean => {
    text += part;
    return true;
  };
  const display = new ProgressDisplay({ isTTY, columns: 80, write } as NodeJS.WriteStream, () => 1000 * second);
  for (const [at, stage, done, total, more] of events) {
    second = at;
    display.update({ stage, message: 'some rows', done, ...(total === undefined ? {} : { total }), ...more });
  }
  second = end;
  display.end();
  return text;
}

describe('where the stream is no terminal', () => {
  it('a line for each stage when it has ended, with count and seconds', () => {
    const events = [
      [0, 'calibrate', 1, 4],
      [1, 'calibrate', 4, 4],
      [2, 'select', 0, 2],
      [3, 'select', 1, 2],
    ] as const;
    expect(shown(false, events, 5)).toBe('calibrate: 4, 2.0 s\nselect: 2, 3.0 s\n');
  });

  it('a stage that comes again at once is one; the models of a sweep are no stages', () => {
    const refits = [0, 1, 2, 3].flatMap((k) => [
      [k, 'refit', 1, 2],
      [k + 0.5, 'refit', 2, 2],
    ]) as [number, Stage, number, number][];
    expect(shown(false, refits, 4)).toBe('refit: 2 (4 times), 4.0 s\n');
    const sweep = [
      [0, 'plan', 0, 1],
      [1, 'sweep', 0, 2],
      [2, 'refit', 1, 1],
      [3, 'verify', 9, 9],
      [4, 'sweep', 1, 2],
      [5, 'refit', 1, 1],
    ] as const;
    expect(shown(false, sweep, 6)).toBe('plan: 1, 1.0 s\nsweep: 2, 5.0 s\n');
  });

  it('a training says how far it came', () => {
    expect(shown(false, [[0, 'distill', 40, 100]], 2)).toBe('distill: 40, 2.0 s\n');
  });
});

describe('on a terminal', () => {
  it('one line with a bar, the pace and the time left, which goes away in the end', () => {
    const events = [
      [0, 'verify', 0, 400],
      [2, 'verify', 100, 400],
    ] as const;
    const lines = shown(true, events, 3).split('\r\u001b[2K');
    expect(lines).toEqual([
      '',
      'verify [>                   ] 0/400  some rows',
      'verify [=====>              ] 100/400, 50/s, 6 s left  some rows',
      '',
    ]);
  });

  it('what the work itself says of the time left counts; lines are cut to the width', () => {
    const long = { message: 'x'.repeat(100), secondsLeft: 600 };
    const lines = shown(true, [[0, 'distill', 3, undefined, long]], 1).split('\r\u001b[2K');
    expect(lines[1]).toMatch(/^distill 10 min left {2}x+$/);
    expect(lines[1]).toHaveLength(79);
  });

  it('is not drawn too often', () => {
    const events = Array.from({ length: 100 }, (_, i) => [i / 1000, 'verify', i, 100] as const);
    expect(shown(true, events, 1).split('\r\u001b[2K')).toHaveLength(4);
  });
});

it('--quiet shows nothing; what fails has no last line', async () => {
  let text = '';
  const stream = { isTTY: false, write: (part: string) => (text += part) !== '' } as NodeJS.WriteStream;
  await withProgress(stream, true, ({ onProgress }) => Promise.resolve(expect(onProgress).toBeUndefined()));
  const failing = withProgress(stream, false, ({ onProgress }) => {
    onProgress!({ stage: 'verify', message: '' });
    return Promise.reject(new Error('no'));
  });
  await expect(failing).rejects.toThrow('no');
  expect(text).toBe('');
});
