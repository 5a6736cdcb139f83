"""Evening out what goes into matrix products before it is rounded to eight bits (requirements/train.txt).

Dynamic int8 rounds all that goes into a product by one scale, and a few of an encoder's channels are an order of
magnitude wider than the others: these then keep few of the 256 steps. Each channel is divided by a factor of its own,
and the row of weights that it meets is multiplied by it. In exact numbers nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

SHARE = 0.8
"""How much of a channel's width moves into the weights: of 0.5 to 1, on 1,410 unseen posts the nearest to fp32."""
_LEAST = 1e-3
Floats = NDArray[np.float32]
Sample = dict[str, NDArray[np.int64]]


def products(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.TensorProto]]:
    """Each product of a value and a constant matrix, with that matrix."""
    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Attention") and node.input[1] in constants:
            yield node, constants[node.input[1]]


def smooth(model: onnx.ModelProto, samples: Sequence[Sample]) -> dict[str, Floats]:
    """Even out every product's input by what `samples` (inputs of the model) bring there; returns the factors (K,) that
    the rows of each weight were multiplied by."""
    found = list(products(model))
    widths = _widths(model, [node.input[0] for node, _ in found], samples)
    factors: dict[str, Floats] = {}
    dividing: dict[str, onnx.NodeProto] = {}
    for node, matrix in found:
        weights = numpy_helper.to_array(matrix)
        factor = _factor(widths[node.input[0]], np.abs(weights).max(axis=1))
        matrix.CopyFrom(numpy_helper.from_array(weights * factor[:, None], matrix.name))
        factors[matrix.name] = factor
        name = f"{matrix.name}_even"
        model.graph.initializer.append(numpy_helper.from_array(1 / factor, name))
        dividing[node.output[0]] = helper.make_node("Mul", [node.input[0], name], [f"{name}_input"])
        node.input[0] = f"{name}_input"
    nodes = [each for node in model.graph.node for each in (dividing.get(node.output[0]), node) if each is not None]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return factors


def _factor(inputs: Floats, weights: Floats) -> Floats:
    wide = np.maximum(inputs, _LEAST) ** SHARE / np.maximum(weights, _LEAST) ** (1 - SHARE)
    return np.asarray(wide / np.exp(np.log(wide).mean()), dtype=np.float32)


def _widths(model: onnx.ModelProto, names: Sequence[str], samples: Sequence[Sample]) -> dict[str, Floats]:
    """The largest magnitude of each channel of the named values."""
    told = onnx.ModelProto()
    told.CopyFrom(model)
    wanted = sorted(set(names))
    told.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(told.SerializeToString(), options)
    runs = (session.run(wanted, sample) for sample in samples)
    found = [[np.abs(value.reshape(-1, value.shape[-1])).max(axis=0) for value in run] for run in runs]
    return {name: np.max(each, axis=0) for name, each in zip(wanted, zip(*found, strict=True), strict=True)}
