import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/calibration/dataset.js';
import type { ImageOptions } from '../../src/calibration/sources/images.js';
import { decodeWav } from '../../src/calibration/sources/wav.js';
import type { InputSpec } from '../../src/calibration/sources/source.js';
import { CondenseError, ExitCode, type Diagnostic } from '../../src/diagnostics/diagnostic.js';
import { temporaryFolders } from '../temporary-folder.js';

const newFolder = temporaryFolders();
const X4: InputSpec[] = [{ name: 'x', dtype: 'float32', shape: ['N', 4] }];

interface WavSpec {
  readonly format?: number;
  readonly bits?: number;
  readonly channels?: number;
  readonly rate?: number;
  readonly extensible?: boolean;
}

/** A WAV file with these bytes of samples, behind a chunk of another kind and of odd length. */
function wavFile(
  samples: Uint8Array,
  { format = 1, bits = 16, channels = 1, rate = 16000, extensible = false }: WavSpec = {},
): Buffer {
  const fmt = Buffer.alloc(extensible ? 40 : 16);
  fmt.writeUInt16LE(extensible ? 0xfffe : format, 0);
  fmt.writeUInt16LE(channels, 2);
  fmt.writeUInt32LE(rate, 4);
  fmt.writeUInt16LE(bits, 14);
  if (extensible) fmt.writeUInt16LE(format, 24);
  const chunk = (tag: string, content: Uint8Array): Buffer => {
    const head = Buffer.alloc(8);
    head.write(tag, 0, 'latin1');
    head.writeUInt32LE(content.length, 4);
    return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
  };
  const body = Buffer.concat([
    Buffer.from('WAVE'),
    chunk('LIST', Buffer.from('odd')),
    chunk('fmt ', fmt),
    chunk('data', samples),
  ]);
  return Buffer.concat([chunk('RIFF', body).subarray(0, 8), body]);
}

const int16 = (...values: number[]): Uint8Array => new Uint8Array(Int16Array.from(values).buffer);

describe('samples', () => {
  it.each([
    ['8 bits', Uint8Array.of(128, 192, 0), { bits: 8 }, [0, 0.5, -1]],
    ['16 bits', int16(0, 16384, -32768), {}, [0, 0.5, -1]],
    ['24 bits', Uint8Array.of(0, 0, 0x40, 0, 0, 0x80, 1, 0, 0), { bits: 24 }, [0.5, -1, 2 ** -23]],
    ['32 bits', new Uint8Array(Int32Array.of(2 ** 30, -(2 ** 31)).buffer), { bits: 32 }, [0.5, -1]],
    ['float', new Uint8Array(Float32Array.of(0.25, -1.5).buffer), { format: 3, bits: 32 }, [0.25, -1.5]],
    ['the extensible form', int16(16384), { extensible: true }, [0.5]],
    ['two channels, mixed down', int16(16384, 0, -32768, -32768), { channels: 2 }, [0.25, -1]],
  ] as const)('%s', (_name, bytes, spec, samples) => {
    expect([...decodeWav(wavFile(bytes, { rate: 8000, ...spec }), 'a.wav').samples]).toEqual(samples);
    expect(decodeWav(wavFile(bytes, { rate: 8000, ...spec }), 'a.wav').rate).toBe(8000);
  });

  it('a file that was cut off gives what is there', () => {
    const whole = wavFile(int16(1, 2, 3, 4));
    expect(decodeWav(whole.subarray(0, whole.length - 3), 'a.wav').samples).toHaveLength(2);
  });
});

function folderOf(files: Readonly<Record<string, Uint8Array>>): string {
  const folder = newFolder();
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), bytes);
  }
  return folder;
}

const ramp = (length: number, start = 0): Uint8Array => int16(...Array.from({ length }, (_, i) => (start + i) * 1024));

describe('files become windows', () => {
  it('in the order of their paths; what is left of a file, and files that are too short, are dropped', async () => {
    const folder = folderOf({
      'b.wav': wavFile(ramp(5, 20)),
      'a/z.WAV': wavFile(ramp(11)),
      'short.wav': wavFile(ramp(3)),
      'notes.txt': Buffer.from('no sound'),
    });
    const { inputs, rows, extras, notes } = await loadDataset([folder], X4);
    expect(rows).toBe(3);
    const values = [...(inputs[0]!.array.data as Float32Array)].map((v) => v * 32);
    expect(values).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23]);
    expect([...(extras.get('file')!.data as Int32Array)]).toEqual([0, 0, 1]);
    expect(notes.map((n) => n.code)).toEqual(['WAV_RATE', 'WAV_FILES_SHORT']);
    expect(notes[0]!.message).toContain('3 windows of sound at 16000 Hz');
  });

  it('are scaled as the model was trained: x = (sample * scale - mean) / std', async () => {
    const folder = folderOf({ 'a.wav': wavFile(int16(-32768, -1, 0, 32767)) });
    const valuesWith = async (images: ImageOptions) => [
      ...((await loadDataset([folder], X4, { images })).inputs[0]!.array.data as Float32Array),
    ];
    expect(await valuesWith({ scale: [32768] })).toEqual([-32768, -1, 0, 32767]);
    expect(await valuesWith({ scale: [32768], mean: [1], std: [2] })).toEqual([-16384.5, -1, -0.5, 16383]);
    for (const [images, reason] of [
      [{ scale: [1, 2, 3] }, /--scale.*holds 3 numbers, and the model takes 1 channel/],
      [{ std: [0] }, /--std.*divided/],
    ] as const)
      await expect(loadDataset([folder], X4, { images })).rejects.toThrow(reason);
  });

  it('a channel axis is kept; a single file will do; every rate is named', async () => {
    const folder = folderOf({ 'a.wav': wavFile(ramp(8)), 'b.wav': wavFile(ramp(4), { rate: 44100 }) });
    const inputs: InputSpec[] = [{ name: 'x', dtype: 'float32', shape: [undefined, 1, 4] }];
    const both = await loadDataset([folder], inputs);
    expect(both.inputs[0]!.array.dims).toEqual([3, 1, 4]);
    expect(both.notes[0]!.message).toContain('16000 Hz, 44100 Hz');
    expect((await loadDataset([path.join(folder, 'a.wav')], inputs)).rows).toBe(2);
  });
});

describe('what cannot be read or fed', () => {
  async function refusal(folder: string, inputs: readonly InputSpec[] = X4): Promise<Diagnostic> {
    const error: unknown = await loadDataset([folder], inputs).catch((e: unknown) => e);
    if (!(error instanceof CondenseError)) throw error;
    expect(error.diagnostic.exitCode).toBe(ExitCode.Usage);
    return error.diagnostic;
  }
  const input = (shape: InputSpec['shape'], dtype: InputSpec['dtype'] = 'float32'): InputSpec[] => [
    { name: 'x', dtype, shape },
  ];

  it.each([
    ['text', Buffer.from('no sound at all'), 'DATA_MALFORMED'],
    ['a head alone', wavFile(int16(1)).subarray(0, 12), 'DATA_MALFORMED'],
    ['A-law', wavFile(Uint8Array.of(1, 2), { format: 6, bits: 8 }), 'WAV_UNSUPPORTED'],
    ['doubles', wavFile(new Uint8Array(8), { format: 3, bits: 64 }), 'WAV_UNSUPPORTED'],
    ['too short', wavFile(ramp(3)), 'WAV_TOO_SHORT'],
  ])('%s', async (_name, bytes, code) => {
    expect((await refusal(folderOf({ 'a.wav': bytes }))).code).toBe(code);
  });

  it('models that take something else', async () => {
    const folder = folderOf({ 'a.wav': wavFile(ramp(8)) });
    expect((await refusal(folder, input(['N', 'samples']))).code).toBe('WAV_LENGTH_OPEN');
    for (const inputs of [input(['N', 3, 4, 4]), input(['N', 2, 4]), input(['N', 4], 'int64'), [...X4, ...X4]])
      expect((await refusal(folder, inputs)).code).toBe('WAV_INPUT_UNFIT');
  });
});
