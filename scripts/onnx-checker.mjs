/** `onnx.checker` of the onnx package for Python (Debian: python3-onnx): a second reader of the files that we write. */
import { spawnSync } from 'node:child_process';

/** The Debian package belongs to the system's own interpreter, which need not be the first on the PATH. */
const INTERPRETERS = ['/usr/bin/python3', 'python3'];
const PROGRAM = `
import json, sys, onnx
def verdict(file):
    try:
        onnx.checker.check_model(file)
        return ''
    except Exception as error:
        return str(error).split('\\n')[0] or type(error).__name__
print(json.dumps([verdict(file) for file in sys.argv[1:]]))
`;
let found;

/** The interpreter that has the package, or undefined where there is none. */
export function onnxPython() {
  found ??= { path: INTERPRETERS.find((path) => spawnSync(path, ['-c', 'import onnx']).status === 0) };
  return found.path;
}

/** For each model file an empty text where the checker finds it valid, else what it says. Undefined without the package. */
export function onnxCheckerVerdicts(files) {
  const python = onnxPython();
  if (python === undefined) return undefined;
  const { status, stdout, stderr } = spawnSync(python, ['-c', PROGRAM, ...files], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`onnx.checker could not be run: ${stderr}`);
  return JSON.parse(stdout);
}
