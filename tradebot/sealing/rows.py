"""Rows that hold one sealed value, and putting all of them under the newest wrapping key."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models, transaction

from tradebot.sealing import envelope, keys
from tradebot.sealing.envelope import Record, Secret


class SealedRow(models.Model):
    """A row with a sealed value. `sealed_for` names what nobody else's row may open it as."""

    envelope = models.JSONField(editable=False)

    class Meta:
        abstract = True

    def sealed_for(self) -> str:
        """What tells this row from all others of its table, for as long as it lives."""
        raise NotImplementedError

    def seal(self, plain: str) -> None:
        """Put `plain` into the envelope; the row is not saved."""
        self.envelope = envelope.seal(plain, self._record(), keys.ring())

    def unseal(self) -> Secret:
        """The value. Raises SealError when the envelope is another row's, was changed, or its key is gone."""
        return envelope.unseal(self.envelope, self._record(), keys.ring())

    def _record(self) -> Record:
        return Record(model=self._meta.label_lower, field="envelope", user="", pk=self.sealed_for())


def rotate_sealed_rows() -> int:
    """Rewrap every sealed row's data key with the newest key; returns how many were under an older one.

    Raises SealError when a data key is wrapped by a key that is no longer there."""
    return sum(_rotate(model) for model in _sealed_models())


@transaction.atomic
def _rotate(model: type[SealedRow]) -> int:
    ring = keys.ring()
    rows = model._default_manager.select_for_update().order_by("pk")
    stale = [row for row in rows if row.envelope["kid"] != ring.newest]
    for row in stale:
        row.envelope = envelope.rewrap(row.envelope, ring)
    model._default_manager.bulk_update(stale, ["envelope"])
    return len(stale)


def _sealed_models() -> Iterator[type[SealedRow]]:
    return (model for model in apps.get_models() if issubclass(model, SealedRow))
