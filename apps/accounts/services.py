"""Writes of accounts: users, tokens shown once, and credentials that are sealed before they are stored."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.adapters import keys
from apps.accounts.domain import envelope
from apps.accounts.domain.envelope import Secret
from apps.accounts.models import ApiToken, Credential, CredentialStatus, Scope, User
from apps.accounts.selectors import PAPER
from apps.trading import selectors as trading
from tradebot.contracts.errors import InvalidField
from tradebot.messaging.jsonb import as_text

TOKEN_MARK = "tb_"  # noqa: S105 - the visible beginning of every token, so that log masking and scanners can find one
TOKEN_DAYS = 90
SEEN_EVERY = timedelta(minutes=1)
OPEN_SHOWN = 10
HINTED_LENGTH = 12
"""Of a shorter API key the last four characters would be too much to show."""


@dataclass(frozen=True, slots=True)
class OpenedCredential:
    """Keys of one venue account, in the clear. Call `secret.reveal()` at the last moment; none shows in a repr.
    `accepted_at`: when the venue last said whether it takes them. `passphrase`: empty unless the venue gives one."""

    venue: str
    api_key: str = field(repr=False)
    secret: Secret
    accepted_at: datetime | None = None
    passphrase: Secret = field(default_factory=lambda: Secret(""))


# --- users -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_user(
    *, name: str, password: str | None = None, email: str = "", time_zone: str = "UTC", staff: bool = False
) -> User:
    """Create a person; without a password they can only come in with a token. `staff` makes them a superuser.

    Raises InvalidField for a name that is taken or not allowed, an unknown time zone or a weak password.
    """
    user = User(username=name, email=email, time_zone=time_zone, is_staff=staff, is_superuser=staff)
    try:
        if password is not None:
            validate_password(password, user)
        user.set_password(password)
        user.full_clean()
    except ValidationError as error:
        raise _invalid(error) from None
    user.save(force_insert=True)
    return user


def _invalid(error: ValidationError) -> InvalidField:
    if not hasattr(error, "error_dict"):
        return InvalidField("password", " ".join(error.messages))
    name, reasons = next(iter(error.message_dict.items()))
    return InvalidField("name" if name == "username" else name, " ".join(reasons))


# --- tokens ----------------------------------------------------------------------------------------------------------


def issue_token(
    *, user: User, name: str, scopes: Sequence[str] = (), days: int = TOKEN_DAYS, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token and its text, which exists nowhere else: show it once. `expires_at` overrides `days`.

    Raises InvalidField for an unknown scope or an end that is not ahead.
    """
    if unknown := sorted(set(scopes) - set(Scope.values)):
        raise InvalidField("scopes", f"{unknown[0]!r} is unknown; choose from {', '.join(Scope.values)}")
    ends = expires_at or timezone.now() + timedelta(days=days)
    if ends <= timezone.now():
        raise InvalidField("expires_at", "must be in the future")
    plain = TOKEN_MARK + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name, prefix=plain[:8], digest=_digest(plain), scopes=list(scopes), expires_at=ends
    )
    return row, plain


def revoke_token(*, token_id: UUID) -> None:
    """Make a token useless from now on; the moment of the first revocation stays."""
    ApiToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=timezone.now())


def use_token(*, plain: str) -> ApiToken | None:
    """The usable token with this text (its active user attached), or None. Notes its use at most once a minute.

    It is looked up by digest: how long that takes says nothing about the text of any stored token.
    """
    row = ApiToken.objects.select_related("user").filter(digest=_digest(plain)).first()
    if row is None or not row.usable or not row.user.is_active:
        return None
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - SEEN_EVERY)
    if row.last_used_at is None or row.last_used_at < now - SEEN_EVERY:
        ApiToken.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    return row


def _digest(plain: str) -> str:
    return sha256(plain.encode()).hexdigest()


# --- credentials -----------------------------------------------------------------------------------------------------


def save_credential(
    *,
    user: User,
    venue: str,
    api_key: str,
    secret: str,
    passphrase: str = "",
    label: str = "",
    is_default: bool = False,
    opens_account: bool = False,
) -> Credential:
    """Seal and store an account's keys, PENDING until a worker has checked them. A user's first paper account
    becomes their default. `passphrase`: for venues whose keys have one (OKX).

    Raises InvalidField for a key or secret that is empty or not ASCII, or a default account that is no paper account.
    """
    check_keys(api_key, secret, passphrase)
    _need_paper(venue, is_default=is_default)
    row = Credential(user=user, venue=venue, label=label, key_hint=_hint(api_key), opens_account=opens_account)
    row.envelope = _seal(row, api_key, secret, passphrase)
    with transaction.atomic():
        if is_default:
            _free_default(user)
        row.is_default = is_default or (venue == PAPER and not _has_default(user))
        row.save(force_insert=True)
    return row


def new_key() -> str:
    """A key of the form that Binance gives out: 64 letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(64))


def request_paper_account(*, user: User, label: str = "") -> Credential:
    """Ask for a paper account: keys are made here, and a worker opens the account that they belong to."""
    return save_credential(
        user=user,
        venue=PAPER,
        api_key=new_key(),
        secret=new_key(),
        label=label,
        opens_account=True,
    )


@transaction.atomic
def replace_keys(*, credential_id: UUID, api_key: str, secret: str, passphrase: str = "") -> None:
    """New keys for the same account: PENDING again until a worker has checked them.

    Raises InvalidField for a key or secret that is empty or not ASCII, Credential.DoesNotExist.
    """
    check_keys(api_key, secret, passphrase)
    row = Credential.objects.select_for_update().get(pk=credential_id, deleted_at=None)
    row.envelope, row.key_hint = _seal(row, api_key, secret, passphrase), _hint(api_key)
    row.status, row.status_reason, row.opens_account = CredentialStatus.PENDING, "", False
    row.checked_at = None
    row.save()


def relabel_credential(*, credential_id: UUID, label: str) -> None:
    """Another label for people to know the account by."""
    Credential.objects.filter(pk=credential_id).update(label=label)


@transaction.atomic
def make_default(*, credential_id: UUID) -> None:
    """Let the user's strategies that name no account use this one. Raises InvalidField unless it is a paper account."""
    row = Credential.objects.select_related("user").get(pk=credential_id, deleted_at=None)
    _need_paper(row.venue, is_default=True)
    _free_default(row.user)
    Credential.objects.filter(pk=row.pk).update(is_default=True)


@transaction.atomic
def delete_credential(*, credential_id: UUID) -> None:
    """Destroy an account's keys. The row stays, REFUSED, because past orders name it.

    Raises InvalidField while orders or guards are open: without the keys nobody could ever learn what became of them.
    """
    Credential.objects.select_for_update().filter(pk=credential_id).first()
    if still_open := trading.unfinished(credential_id):
        raise InvalidField("", _needed_for(still_open))
    Credential.objects.filter(pk=credential_id, deleted_at=None).update(
        envelope={},
        status=CredentialStatus.REFUSED,
        status_reason="deleted by its owner",
        is_default=False,
        deleted_at=timezone.now(),
    )


def _needed_for(still_open: Sequence[str]) -> str:
    shown = ", ".join(still_open[:OPEN_SHOWN]) + (", …" if len(still_open) > OPEN_SHOWN else "")
    return (
        f"the keys are still needed, this is open: {shown}. Switch off the strategies that use this account, cancel "
        "its open orders at the exchange and wait until its guarded coins are sold; then delete it."
    )


def mark_credential(*, credential_id: UUID | str, active: bool, reason: str = "") -> None:
    """Record what the venue said about the keys: ACTIVE, or REFUSED with its reason."""
    Credential.objects.filter(pk=credential_id, deleted_at=None).update(
        status=CredentialStatus.ACTIVE if active else CredentialStatus.REFUSED,
        status_reason=as_text(reason)[:300],
        checked_at=timezone.now(),
    )


def note_check(*, credential_id: UUID | str, reason: str | None = None) -> None:
    """Record that the keys are being tried now, or why that told nothing; the next in turn are then others."""
    told = {} if reason is None else {"status_reason": as_text(reason)[:300]}
    pending = Credential.objects.filter(pk=credential_id, status=CredentialStatus.PENDING)
    pending.update(checked_at=timezone.now(), **told)


def open_credential(credential_id: UUID | str) -> OpenedCredential:
    """The keys of an account, in the clear. For the execution side only (the `execute` stage, the reconciler, the
    credential checker); web code never calls it.

    Raises InvalidField for an unknown id, SealError if the row does not open.
    """
    row = Credential.objects.filter(pk=credential_id, deleted_at=None).first()
    if row is None:
        raise InvalidField("credential_id", f"{credential_id} is unknown or deleted")
    opened = json.loads(envelope.unseal(row.envelope, _record(row), keys.ring()).reveal())
    passphrase = Secret(opened.get("passphrase", ""))
    return OpenedCredential(row.venue, opened["api_key"], Secret(opened["secret"]), row.checked_at, passphrase)


@dataclass(frozen=True, slots=True)
class Rotated:
    """One batch of `rotate_batch`: the last id in it, its size, and how many of it were under an older key."""

    last: UUID
    seen: int
    rewrapped: int


@transaction.atomic
def rotate_batch(*, after: UUID, size: int = 200) -> Rotated | None:
    """Rewrap up to `size` credentials with ids after `after` with the newest key, under row locks; None: no more rows.

    Raises SealError when a data key is wrapped by a key that is no longer there.
    """
    ring = keys.ring()
    rows = Credential.objects.select_for_update().filter(deleted_at=None, pk__gt=after).order_by("pk")
    batch = list(rows[:size])
    stale = [row for row in batch if row.envelope["kid"] != ring.newest]
    for row in stale:
        row.envelope = envelope.rewrap(row.envelope, ring)
    Credential.objects.bulk_update(stale, ["envelope"])
    return Rotated(batch[-1].pk, len(batch), len(stale)) if batch else None


def check_keys(api_key: str, secret: str, passphrase: str = "") -> None:
    """Raise InvalidField for what no exchange gives out: an empty key, or one with letters or control characters that
    could not even be sent. A secret may have several lines (a PEM key)."""
    for name, value, shown in (("api_key", api_key, api_key), ("secret", secret, "".join(secret.split()))):
        if not value.strip():
            raise InvalidField(name, "must not be empty; create a trade-only key at the exchange and paste it here")
        if not (shown.isascii() and shown.isprintable()):
            raise InvalidField(
                name, "may have only plain letters, digits and signs (ASCII); copy it again from the exchange"
            )
    if not (passphrase.isascii() and passphrase.isprintable()):
        raise InvalidField("passphrase", "may have only plain letters, digits and signs (ASCII); type it again")


def _hint(api_key: str) -> str:
    return api_key[-4:] if len(api_key) >= HINTED_LENGTH else ""


def _need_paper(venue: str, *, is_default: bool) -> None:
    if is_default and venue != PAPER:
        raise InvalidField("is_default", "only a paper account can be the default; real money needs to be named")


def _has_default(user: User) -> bool:
    """Holds the user's row, so that of two accounts opened at once only one becomes the default."""
    User.objects.select_for_update().get(pk=user.pk)
    return Credential.objects.filter(user=user, is_default=True).exists()


def _free_default(user: User) -> None:
    User.objects.select_for_update().get(pk=user.pk)
    Credential.objects.filter(user=user, is_default=True).update(is_default=False)


def _seal(row: Credential, api_key: str, secret: str, passphrase: str) -> envelope.Envelope:
    parts = {"api_key": api_key, "secret": secret} | ({"passphrase": passphrase} if passphrase else {})
    return envelope.seal(json.dumps(parts), _record(row), keys.ring())


def _record(row: Credential) -> envelope.Record:
    return envelope.Record(model="accounts.credential", field="keys", user=str(row.user_id), pk=str(row.pk))
