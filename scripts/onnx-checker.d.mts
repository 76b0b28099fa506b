export function onnxPython(): string | undefined;
export function onnxCheckerVerdicts(files: readonly string[]): string[] | undefined;
