"""Guessing the admin's password gets slow, and only for the one who guesses."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts import services
from apps.accounts.login import MOST_FAILURES

PASSWORD = "correct horse battery staple"
ADDRESSES = (f"203.0.{uuid.uuid4().int % 256}.{number}" for number in itertools.count(1))
"""New ones in every run: failures of the last run may still be counted."""


@pytest.fixture(autouse=True)
def fast_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    services.create_user(name="operator", password=PASSWORD, staff=True)


@pytest.fixture
def address() -> str:
    return next(ADDRESSES)


def _try(client: Client, address: str, password: str, **more: Any) -> str:
    body = {"username": "operator", "password": password}
    answer = client.post("/admin/login/?next=/admin/", body, REMOTE_ADDR=address, **more)
    return "in" if answer.status_code == 302 else answer.content.decode()


def test_after_many_wrong_passwords_the_right_one_must_wait(client: Client, address: str) -> None:
    for _ in range(MOST_FAILURES):
        assert "Please enter the correct" in _try(client, address, "guess")
    assert "Too many wrong passwords" in _try(client, address, PASSWORD)
    assert _try(client, next(ADDRESSES), PASSWORD) == "in"


def test_a_made_up_forwarding_header_does_not_help_guessing(client: Client, address: str) -> None:
    for place in range(MOST_FAILURES):
        _try(client, address, "guess", HTTP_X_FORWARDED_FOR=f"198.51.100.{place}")
    assert "Too many" in _try(client, address, "guess", HTTP_X_FORWARDED_FOR="198.51.100.99")


def test_without_the_cache_operators_still_get_in(client: Client, settings: Settings, address: str) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert "Please enter the correct" in _try(client, address, "guess")
    assert _try(client, address, PASSWORD) == "in"
