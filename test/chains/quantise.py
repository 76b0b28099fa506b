"""Quantises a model with onnxruntime's own tools: quantise.py static|dynamic <model.onnx> <output.onnx> <calibration.npz>."""

import sys

import numpy
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static


class Rows(CalibrationDataReader):
    """All rows at once, as the first and only batch."""

    def __init__(self, file):
        self.batches = iter([dict(numpy.load(file))])

    def get_next(self):
        return next(self.batches, None)


way, model, output, data = sys.argv[1:]
if way == "dynamic":
    quantize_dynamic(model, output, per_channel=True, weight_type=QuantType.QInt8)
else:
    quantize_static(
        model,
        output,
        Rows(data),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
