"""Reads of accounts, as frozen facts: no secret leaves through here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F

from apps.accounts.models import Credential, CredentialStatus, User
from tradebot.sql import Reading

PAPER = "paper"
"""The venue whose accounts hold no real money."""

# Every signal and every order asks these: in SQL they take a fifth of the processor that the ORM takes.
_CREDENTIAL = """
SELECT account.id, user_id, venue, status, is_default, opens_account, person.is_active, account.status_reason
FROM accounts_credential AS account JOIN accounts_user AS person ON person.id = user_id
"""
_ONE = f"{_CREDENTIAL} WHERE account.id = %s"
_USER = "SELECT id, username, time_zone, is_active, is_staff FROM accounts_user WHERE id = %s"
_USABLE = f"{_CREDENTIAL} WHERE status = 'active' AND account.deleted_at IS NULL"
_CHOSEN = f"{_USABLE} AND account.id = ANY(%s)"
_MINE = f"{_USABLE} AND user_id = ANY(%s) ORDER BY user_id, is_default DESC, account.created_at"
_OLDEST = "user_id, is_default DESC, account.created_at"
_DEFAULTS = f"{_USABLE} AND user_id = ANY(%s) AND venue = '{PAPER}' ORDER BY {_OLDEST}"


@dataclass(frozen=True, slots=True)
class UserView:
    """A person. `time_zone` is an IANA name."""

    id: UUID
    name: str
    time_zone: str
    is_active: bool
    is_staff: bool


@dataclass(frozen=True, slots=True)
class CredentialView:
    """A venue account without its secrets. `status`: pending, active or refused. `opens_account`: the keys are ours,
    and a worker has to open the paper account that they belong to. `reason`: what its venue said of them."""

    id: UUID
    user_id: UUID
    venue: str
    status: str
    is_default: bool
    opens_account: bool = False
    owner_is_active: bool = True
    reason: str = ""


def user(user_id: UUID | str) -> UserView | None:
    """The user of that id."""
    with connection.cursor() as cursor:
        cursor.execute(_USER, [user_id])
        row = cursor.fetchone()
    return UserView(*row) if row else None


def credential(credential_id: UUID | str) -> CredentialView | None:
    """The credential of that id, whatever its status."""
    return reading_credential(credential_id).now()


def reading_credential(credential_id: UUID | str) -> Reading[CredentialView | None]:
    """`credential` as a question that can travel with others."""
    return Reading((_ONE, [credential_id]), lambda rows: CredentialView(*rows[0]) if rows else None)


def default_credential(user_id: UUID | str) -> CredentialView | None:
    """The user's ACTIVE paper account: the one marked default, else the oldest."""
    mine = Credential.objects.filter(user_id=user_id, venue=PAPER, status=CredentialStatus.ACTIVE, deleted_at=None)
    row = mine.select_related("user").order_by("-is_default", "created_at").first()
    return _view(row) if row else None


def usable(asked: Iterable[tuple[UUID, UUID | None]]) -> dict[tuple[UUID, UUID | None], CredentialView]:
    """For each (user, credential) the user's own ACTIVE credential; None means the default one, as in
    `default_credential`. What is not usable is left out. Two statements, however many are asked for."""
    wanted = set(asked)
    named = list({credential for _, credential in wanted if credential})
    owners = list({user for user, credential in wanted if not credential})
    chosen = _credentials(_CHOSEN, named) if named else ()
    paper = _credentials(_DEFAULTS, owners) if owners else ()
    found: dict[tuple[UUID, UUID | None], CredentialView] = {(row.user_id, row.id): row for row in chosen}
    for row in paper:
        found.setdefault((row.user_id, None), row)
    return {key: found[key] for key in wanted & found.keys()}


def active_credentials(users: Iterable[UUID]) -> dict[UUID, tuple[CredentialView, ...]]:
    """All ACTIVE credentials of each of these users, at any venue: the default ones first, then the oldest."""
    found: dict[UUID, tuple[CredentialView, ...]] = {}
    for row in _credentials(_MINE, list(set(users))):
        found[row.user_id] = (*found.get(row.user_id, ()), row)
    return found


def pending_credentials(limit: int = 100) -> tuple[CredentialView, ...]:
    """Credentials that a worker has yet to check: those never tried first, then by their last try. However many a
    venue does not answer for, everybody's turn comes."""
    last_try = F("checked_at").asc(nulls_first=True)
    rows = Credential.objects.filter(status=CredentialStatus.PENDING).select_related("user")
    return tuple(map(_view, rows.order_by(last_try, "created_at")[:limit]))


def keys_checked_at(credential_id: UUID | str) -> datetime | None:
    """When the venue last said whether it takes the account's present keys: before that, others may have been there."""
    return Credential.objects.filter(pk=credential_id).values_list("checked_at", flat=True).first()


def sealed_count() -> int:
    """How many credentials hold keys."""
    return Credential.objects.filter(deleted_at=None).count()


def user_named(name: str) -> UserView | None:
    """The user of that user name."""
    row = User.objects.filter(username=name).first()
    return user(row.pk) if row else None


def _credentials(sql: str, parameter: list[UUID]) -> list[CredentialView]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [parameter])
        return [CredentialView(*row) for row in cursor.fetchall()]


def _view(row: Credential) -> CredentialView:
    person, reason = row.user, row.status_reason
    known = (row.pk, row.user_id, row.venue, row.status, row.is_default, row.opens_account)
    return CredentialView(*known, owner_is_active=person.is_active, reason=reason)
