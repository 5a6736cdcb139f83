"""Sealed secrets open for their own row only, whatever is done to the columns."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as some

from apps.accounts.adapters.keys import FernetRing
from apps.accounts.domain.envelope import Record, SealError, Secret, rewrap, seal, unseal

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
RING = FernetRing([OLD])
ALICE = Record(model="accounts.credential", field="keys", user="alice", pk="1")


@given(plain=some.text(max_size=300))
def test_what_is_sealed_opens_again(plain: str) -> None:
    assert unseal(seal(plain, ALICE, RING), ALICE, RING).reveal() == plain


@pytest.mark.parametrize(
    "other",
    [replace(ALICE, user="bob"), replace(ALICE, pk="2"), replace(ALICE, field="note"), replace(ALICE, model="x")],
    ids=["another user", "another row", "another field", "another table"],
)
def test_an_envelope_moved_elsewhere_does_not_open(other: Record) -> None:
    with pytest.raises(SealError):
        unseal(seal("hunter2", ALICE, RING), other, RING)


def test_parts_of_an_identity_can_not_be_shifted_into_each_other() -> None:
    with pytest.raises(SealError, match="can't contain"):
        seal("hunter2", replace(ALICE, user="alice|1"), RING)


@pytest.mark.parametrize("part", ["nonce", "ct", "dek"])
def test_changed_bytes_do_not_open(part: str) -> None:
    envelope = seal("hunter2", ALICE, RING)
    text = str(envelope[part])
    changed = {**envelope, part: ("B" if text[0] == "A" else "A") + text[1:]}
    with pytest.raises(SealError):
        unseal(changed, ALICE, RING)


def test_an_unknown_version_does_not_open() -> None:
    with pytest.raises(SealError, match="version 2"):
        unseal({**seal("hunter2", ALICE, RING), "v": 2}, ALICE, RING)


def test_the_same_secret_never_looks_the_same_twice() -> None:
    first, second = seal("hunter2", ALICE, RING), seal("hunter2", ALICE, RING)
    assert all(first[part] != second[part] for part in ("dek", "nonce", "ct"))


def test_after_rewrapping_the_old_key_can_go() -> None:
    sealed = seal("hunter2", ALICE, RING)
    rotated = rewrap(sealed, FernetRing([NEW, OLD]))
    assert (rotated["ct"], rotated["nonce"]) == (sealed["ct"], sealed["nonce"])
    assert rotated["kid"] == FernetRing([NEW]).newest != sealed["kid"]
    assert unseal(rotated, ALICE, FernetRing([NEW])).reveal() == "hunter2"
    with pytest.raises(SealError, match="put the retired key back"):
        unseal(sealed, ALICE, FernetRing([NEW]))


@pytest.mark.parametrize(
    ("keys", "said"), [([], "is empty"), (["short"], "Key 1 in CREDENTIAL_KEYS"), ([OLD, "x"], "Key 2")]
)
def test_bad_wrapping_keys_are_named_by_place_and_never_shown(keys: list[str], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said) as caught:
        FernetRing(keys)
    assert OLD not in str(caught.value)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hunter2")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{[secret]}"):
        assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_secret_does_not_travel(copied: object) -> None:
    with pytest.raises(TypeError, match="credential's id"):
        copied(Secret("hunter2"))  # type: ignore[operator]
