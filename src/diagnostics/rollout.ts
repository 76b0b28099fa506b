import { ExitCode, type Diagnostic } from './diagnostic.js';

/** The forms of a feedback, for advice. */
const FORMS =
  'Write output:input where the output takes the place of the input, or output+:input where it is a change that is added to it; ' +
  'with columns and a factor: rate*0.01+:state[0,2:10].';

export function feedbackInvalid(text: string): Diagnostic {
  return {
    code: 'FEEDBACK_INVALID',
    message: `the feedback '${text}' is not understood`,
    where: '--feedback',
    advice: FORMS,
    exitCode: ExitCode.Usage,
  };
}

export function inputUnknown(option: string, input: string, inputs: readonly string[]): Diagnostic {
  return {
    code: 'INPUT_UNKNOWN',
    message: `the model has no input '${input}' that takes data`,
    where: option,
    advice: `Its inputs are: ${inputs.join(', ')}.`,
    exitCode: ExitCode.Usage,
  };
}

export function feedbackDoesNotFit(feedback: string, reason: string): Diagnostic {
  return {
    code: 'FEEDBACK_DOES_NOT_FIT',
    message: `the feedback '${feedback}' does not fit the model: ${reason}`,
    where: '--feedback',
    advice:
      'The output has as many columns as it feeds, name them as in output:input[0,2:10] (from 0, ends excluded); everything else has the shape of the input.',
    exitCode: ExitCode.Usage,
  };
}

export function scalingUnusable(file: string, reason: string): Diagnostic {
  return {
    code: 'SCALING_UNUSABLE',
    message: `the scaling of a feedback cannot be used: ${reason}`,
    where: file,
    advice:
      'Give an .npz file with the means and standard deviations of input and output: x_mean, x_std, y_mean, y_std, or with names in the place of x and y.',
    exitCode: ExitCode.Usage,
  };
}
