"""Weights into four bits and inputs evened out (onnx; where requirements/train.txt is installed)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - it needs onnx

from apps.signals.adapters import fourbits  # noqa: E402
from apps.signals.adapters.embedder import session  # noqa: E402
from apps.signals.training import export  # noqa: E402
from apps.signals.training.packing import BLOCK, moved_out, packable, packed  # noqa: E402
from apps.signals.training.smoothing import Floats, smooth  # noqa: E402

ROWS, COLUMNS = 2 * BLOCK, 96


@pytest.fixture
def weights() -> Floats:
    return np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(np.float32)


@pytest.fixture
def uneven() -> Floats:
    """Inputs of which one channel is forty times as wide as the others."""
    found = np.random.default_rng(2).normal(size=(50, ROWS)).astype(np.float32)
    found[:, 7] *= 40
    return found


def product(weights: Floats) -> onnx.ModelProto:
    kind = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "w"], ["output"], name="product")],
        "one product",
        [kind("input", TensorProto.FLOAT, ["batch", ROWS])],
        [kind("output", TensorProto.FLOAT, ["batch", COLUMNS])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def run(model: onnx.ModelProto, inputs: Floats, file: Path) -> Floats:
    onnx.save(model, file)
    return ran(file, inputs)


def ran(file: Path, inputs: Floats, given: dict[str, np.ndarray] | None = None) -> Floats:
    (found,) = session(file, 1, given).run(None, {"input": inputs})
    return found


def test_codes_are_the_nearest_of_sixteen_steps(weights: Floats) -> None:
    found = packed(weights)
    off = np.abs(fourbits.unpacked(found) - weights).T.reshape(COLUMNS, -1, BLOCK)
    assert found.codes.shape == (COLUMNS, ROWS // BLOCK, BLOCK // 2)
    # What was cut off at the ends may be off by more: less than a fifth of the range on both sides.
    assert np.quantile(off / found.step.astype(np.float32), 0.9) <= 0.51
    assert off.mean() < 0.1


def test_codes_of_what_is_even_are_exact() -> None:
    even = np.tile(np.arange(16, dtype=np.float32), ROWS // 16)[:, None].repeat(COLUMNS, axis=1)
    assert np.array_equal(fourbits.unpacked(packed(even)), even)


@pytest.mark.parametrize(("shape", "can"), [((ROWS, COLUMNS), True), ((ROWS + 1, COLUMNS), False), ((BLOCK, 2), False)])
def test_what_does_not_split_into_blocks_stays(shape: tuple[int, int], can: bool) -> None:
    assert packable(np.zeros(shape)) is can


def test_evening_out_changes_nothing_in_exact_numbers(weights: Floats, uneven: Floats, tmp_path: Path) -> None:
    model = product(weights)
    factors = smooth(model, [{"input": uneven}])
    assert factors["w"].argmax() == 7
    assert run(model, uneven, tmp_path / "even.onnx") == pytest.approx(uneven @ weights, abs=1e-2)


def test_evened_out_inputs_lose_less_to_eight_bits(weights: Floats, uneven: Floats, tmp_path: Path) -> None:
    def loss(model: onnx.ModelProto) -> float:
        onnx.save(model, tmp_path / "whole.onnx")
        export.quantise(tmp_path / "whole.onnx", tmp_path / "small.onnx")
        return float(np.abs(ran(tmp_path / "small.onnx", uneven) - uneven @ weights).mean())

    even = product(weights)
    smooth(even, [{"input": uneven}])
    assert loss(even) < 0.5 * loss(product(weights))


def test_a_graph_without_its_weights_says_the_same_once_they_are_given(
    weights: Floats, uneven: Floats, tmp_path: Path
) -> None:
    codes = packed(weights)
    model = product(np.ascontiguousarray(fourbits.unpacked(codes)))
    factors = smooth(model, [{"input": uneven}])
    onnx.save(model, tmp_path / "whole.onnx")
    export.quantise(tmp_path / "whole.onnx", tmp_path / "small.onnx", "MatMul")
    graph = onnx.load(tmp_path / "small.onnx")
    fourbits.save(tmp_path / "w.npz", moved_out(graph, {"w": codes}, factors))
    (tmp_path / "apart.onnx").write_bytes(graph.SerializeToString())
    found = ran(tmp_path / "apart.onnx", uneven, fourbits.load(tmp_path / "w.npz"))
    assert np.allclose(found, ran(tmp_path / "small.onnx", uneven), atol=1e-2)
    assert (tmp_path / "w.npz").stat().st_size < weights.nbytes / 6 + 3_000
