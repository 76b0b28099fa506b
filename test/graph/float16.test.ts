import { describe, expect, it } from 'vitest';
import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from '../../src/graph/float16.js';

describe('float16', () => {
  it('gives back every bit pattern that is not a NaN', () => {
    for (let bits = 0; bits <= 0xffff; bits++) {
      const value = float16ToNumber(bits);
      if (Number.isNaN(value)) expect(bits & 0x7c00).toBe(0x7c00);
      else if (numberToFloat16(value) !== bits) throw new Error(`0x${bits.toString(16)} → ${value}`);
    }
  });

  it.each([
    ['smallest subnormal', 2 ** -24, 0x0001],
    ['half of it, a tie, goes to even: zero', 2 ** -25, 0x0000],
    ['just above half of it', 2 ** -25 * 1.001, 0x0001],
    ['largest subnormal', 1023 * 2 ** -24, 0x03ff],
    ['rounds up into the normal numbers', 1023.5 * 2 ** -24, 0x0400],
    ['one', 1, 0x3c00],
    ['tie between 1 and the next: even', 1 + 2 ** -11, 0x3c00],
    ['tie between the next two: even', 1 + 3 * 2 ** -11, 0x3c02],
    ['just above a tie, seen only by rounding once', 1 + 2 ** -11 + 2 ** -40, 0x3c01],
    ['carry into the exponent', 2 - 2 ** -12, 0x4000],
    ['largest finite', 65504, 0x7bff],
    ['just below the tie with infinity', 65519.99, 0x7bff],
    ['the tie with infinity', 65520, 0x7c00],
    ['infinity', -Infinity, 0xfc00],
    ['minus zero', -0, 0x8000],
    ['minus two', -2, 0xc000],
    ['not a number', NaN, 0x7e00],
  ])('%s', (_, value, bits) => {
    expect(numberToFloat16(value)).toBe(bits);
  });
});

describe('bfloat16', () => {
  it.each([
    ['one', 1, 0x3f80],
    ['tie to even below', 1 + 2 ** -8, 0x3f80],
    ['tie to even above', 1 + 3 * 2 ** -8, 0x3f82],
    ['not a number', NaN, 0x7fc0],
    ['minus infinity', -Infinity, 0xff80],
  ])('%s', (_, value, bits) => {
    expect(numberToBfloat16(value)).toBe(bits);
  });

  it('reads the upper half of a float32', () => {
    expect(bfloat16ToNumber(0x4049)).toBe(3.140625);
  });
});
