import { ExitCode, type Diagnostic } from './diagnostic.js';

export function nothingToTrain(): Diagnostic {
  return {
    code: 'NOTHING_TO_TRAIN',
    message: 'the student has no float32 weights of Gemm, MatMul, Conv or ConvTranspose to train',
    advice: 'Train before quantising, and name the student second.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function outputsNotTrainable(): Diagnostic {
  return {
    code: 'OUTPUTS_NOT_TRAINABLE',
    message: 'no output of the model is a floating-point number, so there is no error to make smaller',
    advice: 'Give models whose outputs are the values before they become numbers of classes.',
    exitCode: ExitCode.ModelInvalid,
  };
}
