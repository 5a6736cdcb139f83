"""Weights kept in four bits each, read as the eight-bit ones that onnxruntime multiplies with.

It multiplies four-bit weights too, but no faster than fp32 ones, and half as fast as these. The graph beside the file
names them as data that lies elsewhere (training/packing.py writes both).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LOW, BITS = np.uint8(15), 4
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Codes:
    """A (K, N) matrix by blocks of a column: two codes a byte (N, K / block, block / 2), the first half of a block in
    the low bits; a weight is code * step + least, both float16 (N, K / block, 1)."""

    codes: NDArray[np.uint8]
    step: NDArray[np.float16]
    least: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Weights:
    """One matrix of a graph: its codes, what each row is multiplied by (K,), and the step of each column (N,) in eight
    bits."""

    name: str
    codes: Codes
    factors: Floats
    scales: Floats


def unpacked(found: Codes) -> Floats:
    """The (K, N) matrix that the codes stand for."""
    codes = np.concatenate([found.codes & LOW, found.codes >> BITS], axis=-1).astype(np.float32)
    blocks = codes * found.step.astype(np.float32) + found.least.astype(np.float32)
    return blocks.reshape(len(blocks), -1).T


def eight_bits(weights: Weights) -> NDArray[np.int8]:
    """The (K, N) matrix as the graph multiplies it."""
    whole = unpacked(weights.codes) * weights.factors[:, None] / weights.scales
    return np.ascontiguousarray(np.rint(whole), dtype=np.int8)


def save(path: Path, matrices: Iterable[Weights]) -> None:
    """Write them to an .npz file."""
    found = list(matrices)
    parts: dict[str, NDArray[np.generic]] = {"names": np.array([each.name for each in found])}
    for at, each in enumerate(found):
        parts |= {f"codes{at}": each.codes.codes, f"step{at}": each.codes.step, f"least{at}": each.codes.least}
        parts |= {f"factors{at}": each.factors, f"scales{at}": each.scales}
    np.savez_compressed(path, **parts)  # type: ignore[arg-type]


def load(path: Path) -> dict[str, NDArray[np.int8]]:
    """Each matrix by its name in the graph. Raises OSError where the file is absent."""
    with np.load(path) as file:
        return {
            str(name): eight_bits(
                Weights(
                    str(name),
                    Codes(file[f"codes{at}"], file[f"step{at}"], file[f"least{at}"]),
                    file[f"factors{at}"],
                    file[f"scales{at}"],
                )
            )
            for at, name in enumerate(file["names"])
        }
