/**
 * Gradient of Resize: along each axis the output is a matrix times the input, with one 1 in each row for the nearest element, or the two weights of
 * a linear interpolation; the gradient goes back through its transpose.
 *
 * Coordinates are those of the ONNX specification of Resize (x of the input for each position of the output).
 */
import { intAttribute } from '../graph/attributes.js';
import { reshape } from './emit.js';
import { refused, type GradientRule, type RuleContext } from './rule.js';

type Coordinate = (position: number, scale: number, input: number, output: number) => number;

const COORDINATES: Readonly<Partial<Record<string, Coordinate>>> = {
  half_pixel: (o, scale) => (o + 0.5) / scale - 0.5,
  pytorch_half_pixel: (o, scale, _, output) => (output > 1 ? (o + 0.5) / scale - 0.5 : 0),
  asymmetric: (o, scale) => o / scale,
  align_corners: (o, _, input, output) => (output > 1 ? (o * (input - 1)) / (output - 1) : 0),
};

const NEAREST: Readonly<Partial<Record<string, (x: number) => number>>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

function text(c: RuleContext, name: string, fallback: string): string {
  const attribute = c.node.attributes.get(name);
  return attribute?.type === 'string' ? attribute.value : fallback;
}

/** The matrix of one axis, [output, input] by rows; undefined for modes that are not followed. */
function matrixOf(c: RuleContext, input: number, output: number, scale: number): Float64Array | undefined {
  const old = c.node.opType === 'Upsample' || c.opset < 11;
  const coordinate = COORDINATES[text(c, 'coordinate_transformation_mode', old ? 'asymmetric' : 'half_pixel')];
  const round = NEAREST[old ? 'floor' : text(c, 'nearest_mode', 'round_prefer_floor')];
  const mode = text(c, 'mode', 'nearest');
  if (coordinate === undefined || round === undefined || (mode !== 'nearest' && mode !== 'linear')) return undefined;
  const matrix = new Float64Array(output * input);
  const inside = (i: number): number => Math.min(Math.max(i, 0), input - 1);
  for (let o = 0; o < output; o++) {
    const x = coordinate(o, scale, input, output);
    const row = o * input;
    if (mode === 'nearest') matrix[row + inside(round(x))]! = 1;
    else {
      const at = Math.min(Math.max(x, 0), input - 1);
      const low = Math.floor(at);
      matrix[row + low]! += 1 - (at - low);
      matrix[row + inside(low + 1)]! += at - low;
    }
  }
  return matrix;
}

const resize: GradientRule = (c) => {
  const x = c.node.inputs[0]!;
  const [dx, dy] = [c.shape(x), c.shape(c.node.outputs[0]!)];
  if (intAttribute(c.node, 'antialias', 0) === 1) return refused('it smooths what it makes smaller');
  if (c.node.attributes.has('axes')) return refused('it names axes');
  // Scales are an input (the third one from version 11 on); sizes give no scales but their ratio.
  const given = c.node.inputs[c.node.opType === 'Upsample' || c.opset < 11 ? 1 : 2] ?? '';
  const scales = given === '' ? undefined : c.constantValues(given);
  let g = c.outputGradients[0]!;
  const dims = [...dy];
  for (let axis = dx.length - 1; axis >= 0; axis--) {
    const [input, output] = [dx[axis]!, dy[axis]!];
    if (input === output) continue;
    const matrix = matrixOf(c, input, output, scales?.length === dx.length ? scales[axis]! : output / input);
    if (matrix === undefined) return refused('its mode is not followed');
    const before = dims.slice(0, axis).reduce((a, b) => a * b, 1);
    const after = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
    const transposed = new Float64Array(matrix.length);
    for (let o = 0; o < output; o++)
      for (let i = 0; i < input; i++) transposed[i * output + o] = matrix[o * input + i]!;
    const back = c.emit('MatMul', [c.floats(transposed, [input, output], x), reshape(c, g, [before, output, after])]);
    dims[axis] = input;
    g = reshape(c, back, dims);
  }
  return [g];
};

export const RESIZE_RULES: Readonly<Record<string, GradientRule>> = { Resize: resize, Upsample: resize };
