"""Weights into four bits, and out of the graph (requirements/train.txt)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from apps.signals.adapters.fourbits import BITS, LOW, Codes, Floats, Weights

BLOCK = 64
"""Weights of one step: rows of a column that follow each other."""
SHRINKS = np.linspace(1.0, 0.8, 9)
"""How much of a block's range is tried: cutting its ends off often costs less than wide steps."""
ELSEWHERE = "given by the program that loads this graph"
_LEAST = 1e-8


def packable(weights: NDArray[np.generic]) -> bool:
    """Whether a matrix splits into blocks and is worth it."""
    return weights.ndim == 2 and weights.shape[0] % BLOCK == 0 and weights.size > BLOCK * BLOCK


def packed(weights: Floats) -> Codes:
    """The codes of a (K, N) matrix, of those tried the nearest by squares."""
    blocks = weights.T.reshape(weights.shape[1], -1, BLOCK).astype(np.float32)
    low, high = blocks.min(-1, keepdims=True), blocks.max(-1, keepdims=True)
    middle, half = (low + high) / 2, (high - low) / 2
    step, least = np.zeros(low.shape, np.float16), np.zeros(low.shape, np.float16)
    codes, error = np.zeros(blocks.shape, np.uint8), np.full(low.shape, np.inf, np.float32)
    for shrink in SHRINKS:
        steps = np.maximum(2 * half * shrink / LOW, _LEAST).astype(np.float16)
        leasts = (middle - half * shrink).astype(np.float16)
        wide, base = np.maximum(steps.astype(np.float32), _LEAST), leasts.astype(np.float32)
        tried = np.clip(np.rint((blocks - base) / wide), 0, LOW)
        off = np.square(tried * steps.astype(np.float32) + base - blocks).sum(-1, keepdims=True)
        better = off < error
        error = np.where(better, off, error)
        step, least = np.where(better, steps, step), np.where(better, leasts, least)
        codes = np.where(better, tried, codes).astype(np.uint8)
    half_block = BLOCK // 2
    pairs = codes[..., :half_block] | (codes[..., half_block:] << BITS)
    return Codes(pairs.astype(np.uint8), step, least)


def moved_out(graph: onnx.ModelProto, codes: Mapping[str, Codes], factors: Mapping[str, Floats]) -> list[Weights]:
    """The eight-bit weights that were made of `unpacked(codes) * factors`, by the name that those had before; the graph
    keeps their names and shapes."""
    tensors = {each.name: each for each in graph.graph.initializer}
    found = []
    for name, code in codes.items():
        matrix = tensors[f"{name}_quantized"]
        scales = numpy_helper.to_array(tensors[f"{name}_scale"]).astype(np.float32)
        found.append(Weights(matrix.name, code, factors[name], scales))
        matrix.ClearField("raw_data")
        matrix.data_location = TensorProto.EXTERNAL
        matrix.external_data.add(key="location", value=ELSEWHERE)
    return found
