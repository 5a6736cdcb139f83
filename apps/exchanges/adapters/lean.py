"""Imports ccxt without the exchanges that nobody uses: `import ccxt` loads more than a hundred, we speak to a few.

Measured: ccxt 64 -> 30 MB and 1.2 -> 0.2 s, ccxt.pro 95 -> 41 MB and 1.2 -> 0.6 s. The packages stay what they are:
`ccxt.binance` is found at its first use.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

PACKAGES = frozenset({"ccxt", "ccxt.async_support", "ccxt.pro"})


def install() -> None:
    """From now on ccxt's packages load an exchange when it is first named; what is imported already stays so."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    """Runs a package's own file without its imports of exchanges, and imports each when it is asked for."""

    def get_code(self, fullname: str) -> CodeType:
        """Compiled anew each time: the cached bytecode is that of the whole file."""
        tree = ast.parse(self.get_data(self.path), self.path)
        tree.body = [node for node in tree.body if not _is_exchange(node)]
        return compile(tree, self.path, "exec")

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        names = frozenset(module.__dict__.get("exchanges", ()))

        def __getattr__(name: str) -> Any:  # noqa: N807 - PEP 562
            if name not in names:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            found = getattr(import_module(f"{module.__name__}.{name}"), name)
            setattr(module, name, found)
            return found

        module.__dict__["__getattr__"] = __getattr__


def _is_exchange(node: ast.stmt) -> bool:
    """Whether it is `from ccxt.okx import okx`; what is shared comes from a package named `base`."""
    return isinstance(node, ast.ImportFrom) and ".base" not in f"{node.module}"
