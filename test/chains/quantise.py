"""Quantises a model with onnxruntime's own tools: quantise.py static|dynamic <model.onnx> <output.onnx> <calibration.npz>."""

import sys

import numpy
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static


class Rows(CalibrationDataReader):
    """The first rows of each input, in small batches."""

    ROWS = 512
    BATCH = 32

    def __init__(self, file, inputs):
        arrays = numpy.load(file)
        arrays = {name: arrays[name][: self.ROWS] for name in inputs}
        starts = range(0, len(next(iter(arrays.values()))), self.BATCH)
        self.batches = iter([{name: a[i : i + self.BATCH] for name, a in arrays.items()} for i in starts])

    def get_next(self):
        return next(self.batches, None)


way, model, output, data = sys.argv[1:]
if way == "dynamic":
    quantize_dynamic(model, output, per_channel=True, weight_type=QuantType.QInt8)
else:
    quantize_static(
        model,
        output,
        Rows(data, [i.name for i in onnx.load(model).graph.input]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
