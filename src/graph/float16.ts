// IEEE 754 half precision: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits; and bfloat16, the upper half of a float32.

const scratch = new DataView(new ArrayBuffer(4));

function float32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

function fromFloat32Bits(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** The number that a float16 bit pattern stands for (NaN for any NaN pattern). Exact. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction * 2 ** -10) * 2 ** (exponent - 15);
}

/** The float16 bit pattern nearest to `value`, ties to even; overflow becomes infinity. Rounds once, straight from the double. */
export function numberToFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  // 65520 lies halfway between the largest finite value, 65504, and 2^16: the tie goes to the even side, infinity.
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfToEven(magnitude * 2 ** 24); // 1024 is the smallest normal number, as it should be
  // The exponent of the double itself: Math.log2 may round up just below a power of two.
  scratch64.setFloat64(0, magnitude);
  const exponent = ((scratch64.getUint32(0) >>> 20) & 0x7ff) - 1023;
  const fraction = roundHalfToEven((magnitude * 2 ** -exponent - 1) * 1024);
  // A fraction that rounds up to 1024 carries into the exponent by plain addition.
  return sign | (((exponent + 15) << 10) + fraction);
}

const scratch64 = new DataView(new ArrayBuffer(8));

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The number that a bfloat16 bit pattern stands for. Exact. */
export function bfloat16ToNumber(bits: number): number {
  return fromFloat32Bits((bits << 16) >>> 0);
}

/** The bfloat16 bit pattern nearest to the float32 of `value`, ties to even. */
export function numberToBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const bits = float32Bits(value);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
