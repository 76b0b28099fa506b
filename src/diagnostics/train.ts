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

export function roundInterrupted(round: number, rounds: number): Diagnostic {
  return {
    code: 'ROUND_INTERRUPTED',
    message: `interrupted in round ${round} of ${rounds}: no model of the wanted size has learned yet, and nothing was written`,
    where: '--steps',
    advice: 'With --checkpoint the same command goes on from where a round last saved what it had learned.',
    exitCode: ExitCode.Interrupted,
  };
}

export function checkpointOfOtherTraining(file: string): Diagnostic {
  return {
    code: 'CHECKPOINT_OF_OTHER_TRAINING',
    message: 'the checkpoint belongs to a training with other models, data or options',
    where: file,
    advice: 'Repeat the command that made it to go on, or give --checkpoint another folder.',
    exitCode: ExitCode.Usage,
  };
}

export function augmentationHasNoInput(what: string, wanted: string): Diagnostic {
  return {
    code: 'AUGMENTATION_HAS_NO_INPUT',
    message: `${what} in --augment want an input of ${wanted}, and this model has none`,
    where: 'options',
    advice: 'Leave them out.',
    exitCode: ExitCode.Usage,
  };
}
