import type { DataNote } from './calibration.js';
import { ExitCode, type Diagnostic } from './diagnostic.js';

export function nothingToTrain(): Diagnostic {
  return {
    code: 'NOTHING_TO_TRAIN',
    message: 'the student has no float32 weights of layers to train',
    advice: 'Train before quantising, and name the student second.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function outputsNotTrainable(): Diagnostic {
  return {
    code: 'OUTPUTS_NOT_TRAINABLE',
    message: 'no output of the model holds float32 numbers, so there is no error to make smaller',
    advice: 'Give models whose outputs are the values before they become numbers of classes.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function gradientReachesNothing(
  stops: readonly { readonly node: string; readonly reason: string }[],
): Diagnostic {
  const [last] = stops.slice(-1);
  return {
    code: 'NOTHING_TO_TRAIN',
    message:
      last === undefined
        ? 'no output depends on a float32 weight of a layer'
        : `no gradient reaches a weight: it stops at ${last.node}, since ${last.reason}`,
    ...(last === undefined ? {} : { where: last.node }),
    advice: 'Learn with a model that ends before this node.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function shapesDiffer(output: string, teacher: readonly number[], student: readonly number[]): Diagnostic {
  return {
    code: 'OUTPUT_SHAPES_DIFFER',
    message: `'${output}' has the shape ${teacher.join(' × ')} in the teacher and ${student.join(' × ')} in the student`,
    where: output,
    advice: 'Give a student that computes the same values for the same inputs.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function tooFewRowsToLearn(rows: number, run: number): Diagnostic {
  return {
    code: 'DATA_TOO_FEW_ROWS',
    message: `${rows} row(s) are too few to learn from: ${run === 1 ? 'one' : `a run of ${run}`} has to choose the best weights, and others teach`,
    where: '--data',
    advice: 'Give more rows, or leave the learning out.',
    exitCode: ExitCode.Usage,
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
    message: `--augment ${what} needs an input of ${wanted}, and this model has none`,
    where: 'options',
    advice: 'Leave them out.',
    exitCode: ExitCode.Usage,
  };
}

export function nothingMatched(): DataNote {
  return {
    code: 'NOTHING_MATCHED',
    message: '--match has no effect: no layer inside has the same name and shape in both models',
  };
}

export function noStepMade(): DataNote {
  return { code: 'NO_STEP_MADE', message: 'no step of learning was made in the time that was given' };
}
