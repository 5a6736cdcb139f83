"""Weights kept in four bits, and what is multiplied of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.signals.adapters import fourbits
from apps.signals.adapters.fourbits import Codes, Weights, eight_bits, unpacked

# Two columns of two blocks of four rows: the codes 0 to 7 in the one, 8 to 15 in the other.
CODES = Codes(
    codes=np.array([[[0x20, 0x31], [0x64, 0x75]], [[0xA8, 0xB9], [0xEC, 0xFD]]], dtype=np.uint8),
    step=np.array([[[1.0], [0.5]], [[2.0], [1.0]]], dtype=np.float16),
    least=np.array([[[0.0], [-1.0]], [[-20.0], [0.0]]], dtype=np.float16),
)
FIRST, SECOND = [0, 1, 2, 3, 1, 1.5, 2, 2.5], [-4, -2, 0, 2, 12, 13, 14, 15]


def test_a_column_is_made_of_its_blocks() -> None:
    assert unpacked(CODES).T.tolist() == [FIRST, SECOND]


def test_eight_bits_are_the_weights_times_their_factors_in_steps_of_their_column() -> None:
    factors = np.array([1, 1, 1, 1, 2, 2, 2, 4], dtype=np.float32)
    scales = np.array([0.5, 2.0], dtype=np.float32)
    found = eight_bits(Weights("w", CODES, factors, scales))
    assert found.dtype == np.int8
    assert found.T.tolist() == [[0, 2, 4, 6, 4, 6, 8, 20], [-2, -1, 0, 1, 12, 13, 14, 30]]


def test_what_is_saved_is_loaded_by_name(tmp_path: Path) -> None:
    rows, columns = np.ones(8, dtype=np.float32), np.ones(2, dtype=np.float32)
    one, two = Weights("layer.0/w", CODES, rows, columns), Weights("layer.1/w", CODES, 2 * rows, columns)
    fourbits.save(tmp_path / "w.npz", [one, two])
    found = fourbits.load(tmp_path / "w.npz")
    assert list(found) == ["layer.0/w", "layer.1/w"]
    assert np.array_equal(found["layer.1/w"], eight_bits(two))


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.npz"):
        fourbits.load(tmp_path / "none.npz")
