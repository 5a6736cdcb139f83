"""`manage.py` without a stack and without settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def test_a_missing_setting_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "judge", "hello"],
        cwd=CHECKOUT,
        env={"VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "manage.py: SECRET_KEY is not set. Set SECRET_KEY or SECRET_KEY_FILE, or start the stack with `make up`."
    ]
