"""The server's side of the two-step password (core.telegram.org/api/srp)."""

from __future__ import annotations

import hmac
import os
from typing import Any

from telethon import password as theirs
from telethon.tl import types

_G = 3


def _prime() -> bytes:
    """Telegram's own prime, which clients need not test; it stands in Telethon's code."""
    constants = theirs.check_prime_and_good.__code__.co_consts
    numbers = next(value for value in constants if isinstance(value, tuple) and len(value) == 256)
    return bytes(numbers)


class PasswordCheck:
    """One question for a password, and whether the answer to it is right."""

    def __init__(self, password: str) -> None:
        self._p = int.from_bytes(_prime(), "big")
        self._algo = types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
            salt1=os.urandom(16), salt2=os.urandom(16), g=_G, p=_prime()
        )
        x = int.from_bytes(theirs.compute_hash(self._algo, password), "big")
        self._v = pow(_G, x, self._p)
        self._b = int.from_bytes(os.urandom(256), "big")
        k = int.from_bytes(theirs.sha256(_prime(), theirs.big_num_for_hash(_G)), "big")
        self._big_b = (k * self._v + pow(_G, self._b, self._p)) % self._p
        self._id = int.from_bytes(os.urandom(6), "big")

    def question(self) -> Any:
        return types.account.Password(
            new_algo=self._algo,
            new_secure_algo=types.SecurePasswordKdfAlgoUnknown(),
            secure_random=os.urandom(16),
            has_password=True,
            current_algo=self._algo,
            srp_B=self._big_b.to_bytes(256, "big"),
            srp_id=self._id,
        )

    def is_right(self, answer: Any) -> bool:
        hashed_b = self._big_b.to_bytes(256, "big")
        u = int.from_bytes(theirs.sha256(answer.A, hashed_b), "big")
        s = pow(int.from_bytes(answer.A, "big") * pow(self._v, u, self._p), self._b, self._p)
        proof = theirs.sha256(
            theirs.xor(theirs.sha256(_prime()), theirs.sha256(theirs.big_num_for_hash(_G))),
            theirs.sha256(self._algo.salt1),
            theirs.sha256(self._algo.salt2),
            answer.A,
            hashed_b,
            theirs.sha256(theirs.big_num_for_hash(s)),
        )
        return bool(answer.srp_id == self._id and hmac.compare_digest(proof, answer.M1))
