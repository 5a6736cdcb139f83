"""The API's description in docs/openapi.yaml is what the code offers."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.management import call_command


def test_the_committed_description_is_current(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(fresh), validate=True, fail_on_warn=True)
    committed = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
    remedy = "the API changed: run `manage.py spectacular --file docs/openapi.yaml` and commit it"
    assert committed.read_text() == fresh.read_text(), remedy
