"""Pins what requirements/*.in ask for: the same names with the versions of the locks, in requirements/*.txt."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHONS = ("3.11", "3.12", "3.13")
LOCK_OF = {"base": "cpu", "cpu": "cpu", "gpu": "gpu", "dev": "dev"}


def main() -> None:
    """Write base.txt, cpu.txt, gpu.txt and dev.txt."""
    for kind, lock in LOCK_OF.items():
        versions = {python: _versions(HERE / "locks" / f"{python}-{lock}.txt") for python in PYTHONS}
        lines = [
            pinned for line in (HERE / f"{kind}.in").read_text().split("\n") if line for pinned in _pin(line, versions)
        ]
        (HERE / f"{kind}.txt").write_text("\n".join(lines) + "\n")


def _versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==(\S+)", lock.read_text(), flags=re.MULTILINE))


def _pin(line: str, versions: dict[str, dict[str, str]]) -> list[str]:
    """One line, or one for each Python where they can't agree on a version."""
    if line.startswith(("#", "-r ")):
        return [line.replace(".in", ".txt")]
    wanted = re.match(r"([a-z0-9-]+)(\[[^\]]*\])?", line)
    if wanted is None:
        raise ValueError(f"can't read the requirement {line!r}")
    found = {python: versions[python][wanted[1]] for python in PYTHONS}
    if len(set(found.values())) == 1:
        return [f"{wanted[0]}=={found[PYTHONS[0]]}"]
    return [f'{wanted[0]}=={version} ; python_version == "{python}"' for python, version in found.items()]


if __name__ == "__main__":
    main()
