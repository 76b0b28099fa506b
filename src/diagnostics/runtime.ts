import { ExitCode, type Diagnostic } from './diagnostic.js';

export function modelDoesNotLoad(reason: string, file?: string): Diagnostic {
  return {
    code: 'MODEL_DOES_NOT_LOAD',
    message: `onnxruntime cannot load the model: ${firstLine(reason)}`,
    ...(file === undefined ? {} : { where: file }),
    advice:
      'Check that the model runs in onnxruntime; custom operators and operator sets newer than 26 are not supported.',
    exitCode: ExitCode.ModelInvalid,
  };
}

export function modelDoesNotRun(reason: string): Diagnostic {
  return {
    code: 'MODEL_DOES_NOT_RUN',
    message: `onnxruntime failed on the calibration data: ${firstLine(reason)}`,
    advice: 'Check that the shapes and values of --data are what the model expects.',
    exitCode: ExitCode.Usage,
  };
}

export function providerMissing(provider: string, reason: string): Diagnostic {
  const howTo: Record<string, string> = {
    cuda: 'Install CUDA 12 with cuDNN 9, then run: node node_modules/onnxruntime-node/script/install',
    webgpu: 'It needs a graphics driver with Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows).',
    coreml: 'CoreML exists on macOS only.',
    dml: 'DirectML exists on Windows only.',
  };
  return {
    code: 'PROVIDER_MISSING',
    message: `the execution provider '${provider}' cannot be used here: ${firstLine(reason)}`,
    where: '--provider',
    advice: `${howTo[provider] ?? 'Choose one of cpu, cuda, webgpu, coreml, dml, auto.'} Or use --provider cpu.`,
    exitCode: ExitCode.Usage,
  };
}

export function activationNotFinite(value: string, node: string, row: number): Diagnostic {
  return {
    code: 'ACTIVATION_NOT_FINITE',
    message: `NaN or Inf in the activation '${value}' read by node '${node}', first at calibration row ${row}`,
    where: node,
    advice: 'Remove that row from --data, or leave the layers before the node as they are with --exclude.',
    exitCode: ExitCode.Usage,
  };
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? text).slice(0, 400);
}
