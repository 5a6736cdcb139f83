"""The server's side of making an authorization key (core.telegram.org/mtproto/auth_key)."""

from __future__ import annotations

import os
import time
from hashlib import sha1
from typing import Any

import rsa
from telethon.crypto import AES, AuthKey
from telethon.crypto.rsa import _compute_fingerprint, get_byte_array
from telethon.extensions import BinaryReader
from telethon.helpers import generate_key_data_from_nonce
from telethon.tl import functions, types

# RFC 3526, group 14; and two primes whose product every client has to take apart again.
DH_PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)
_G = 2
_P, _Q = 1_229_739_323, 1_402_015_859


class Handshake:
    """One connection's. `answer` takes each plain request; `key` is there after the last."""

    def __init__(self, private: rsa.PrivateKey) -> None:
        self._private = private
        self._server_nonce = int.from_bytes(os.urandom(16), "little", signed=True)
        self._nonce = 0
        self._new_nonce = 0
        self._a = int.from_bytes(os.urandom(256), "big")
        self.key: AuthKey | None = None

    def answer(self, request: Any) -> Any:
        """The server's answer as a TLObject."""
        if isinstance(request, functions.ReqPqMultiRequest):
            self._nonce = request.nonce
            fingerprint = _compute_fingerprint(rsa.PublicKey(self._private.n, self._private.e))
            return types.ResPQ(self._nonce, self._server_nonce, get_byte_array(_P * _Q), [fingerprint])
        if isinstance(request, functions.ReqDHParamsRequest):
            return self._params(request)
        if isinstance(request, functions.SetClientDHParamsRequest):
            return self._done(request)
        raise ValueError(f"{type(request).__name__} is no part of a handshake")

    def _params(self, request: Any) -> Any:
        block = pow(int.from_bytes(request.encrypted_data, "big"), self._private.d, self._private.n)
        plain = block.to_bytes(255, "big")
        inner = BinaryReader(plain[20:]).tgread_object()
        if (inner.p, inner.q) != (get_byte_array(_P), get_byte_array(_Q)) or inner.server_nonce != self._server_nonce:
            raise ValueError("the client has not taken pq apart")
        self._new_nonce = inner.new_nonce
        answer = bytes(
            types.ServerDHInnerData(
                nonce=self._nonce,
                server_nonce=self._server_nonce,
                g=_G,
                dh_prime=get_byte_array(DH_PRIME),
                g_a=get_byte_array(pow(_G, self._a, DH_PRIME)),
                server_time=int(time.time()),
            )
        )
        key, iv = generate_key_data_from_nonce(self._server_nonce, self._new_nonce)
        return types.ServerDHParamsOk(
            self._nonce, self._server_nonce, AES.encrypt_ige(_padded(sha1(answer).digest() + answer), key, iv)
        )

    def _done(self, request: Any) -> Any:
        key, iv = generate_key_data_from_nonce(self._server_nonce, self._new_nonce)
        inner = BinaryReader(AES.decrypt_ige(request.encrypted_data, key, iv)[20:]).tgread_object()
        shared = pow(int.from_bytes(inner.g_b, "big"), self._a, DH_PRIME)
        if shared.bit_length() <= 2040:
            # One key in 256: Telethon stores it without its leading zero, and could not open it again.
            raise ConnectionError("the client must try again")
        self.key = AuthKey(get_byte_array(shared))
        return types.DhGenOk(self._nonce, self._server_nonce, self.key.calc_new_nonce_hash(self._new_nonce, 1))


def _padded(data: bytes) -> bytes:
    return data + os.urandom(-len(data) % 16)
