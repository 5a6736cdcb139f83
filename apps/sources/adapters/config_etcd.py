"""A configuration in etcd: read with its revision, then watched from the next one on."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import etcd3gw
import requests
from etcd3gw.exceptions import Etcd3Exception

from apps.sources.domain.config_source import Reading
from tradebot.contracts.errors import TransientError

ANSWER_SECONDS = 3.0
_API = "/v3/"
_BROKEN = (Etcd3Exception, requests.RequestException, OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class Trust:
    """Files for TLS, empty where not needed: whom we believe, and who we are."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


class ConfigEtcd:
    """One key. etcd3gw's own watcher reads without a time-out, in a thread that nobody can end: after a restart of etcd
    it waits for ever. So the answer of `/v3/watch` is read here."""

    def __init__(self, host: str, port: int, key: str, *, secure: bool = False, trust: Trust | None = None) -> None:
        self.address = f"{'etcds' if secure else 'etcd'}://{host}:{port}/{key}"
        self._key = base64.b64encode(key.encode()).decode()
        self._session = _session(trust or Trust())
        self._client = etcd3gw.client(
            host=host,
            port=port,
            protocol="https" if secure else "http",
            timeout=ANSWER_SECONDS,
            api_path=_API,
            session=self._session,
        )
        self._revision = 0
        self._watching: requests.Response | None = None
        self._stopped = False

    def read(self) -> Reading:
        """The key's value and its revision. Raises TransientError when etcd does not answer or has no such key."""
        try:
            answer = self._client.post(self._client.get_url("/kv/range"), json={"key": self._key})
            self._revision = int(answer["header"]["revision"])
            found = [(base64.b64decode(pair.get("value", "")), pair["mod_revision"]) for pair in answer.get("kvs", [])]
        except _BROKEN as error:
            raise TransientError(f"{self.address} does not answer ({_reason(error)}); see that etcd runs") from error
        if not found:
            raise TransientError(f"{self.address} is not there; put the configuration into that key")
        value, revision = found[0]
        try:
            return Reading(value.decode(), str(revision))
        except UnicodeDecodeError:
            raise TransientError(f"{self.address} holds no UTF-8 text; put it there as UTF-8") from None

    def wait(self, seconds: float) -> None:
        """Until the key changes, or nothing was heard for `seconds`. Raises TransientError when the watch breaks."""
        request = {"create_request": {"key": self._key, "start_revision": self._revision + 1}}
        try:
            with self._session.post(
                self._client.get_url("/watch"), json=request, stream=True, timeout=(ANSWER_SECONDS, seconds)
            ) as answer:
                self._watching = answer
                if not self._stopped:
                    _await_change(answer)
        except _BROKEN as error:
            if not (self._stopped or _is_silence(error)):
                raise TransientError(f"{self.address} can't be watched ({_reason(error)})") from error
        finally:
            self._watching = None

    def stop(self) -> None:
        self._stopped = True
        if (watching := self._watching) is not None:
            watching.raw.shutdown()


def _session(trust: Trust) -> requests.Session:
    session = requests.Session()
    # A proxy of the environment is for the outside; etcd is an inner server.
    session.trust_env = False
    session.verify = trust.ca or True
    session.cert = (trust.certificate, trust.key) if trust.certificate else None
    return session


def _await_change(answer: requests.Response) -> None:
    """The first line that tells of an event, or of a watch that etcd gave up (its history was compacted)."""
    answer.raise_for_status()
    for line in answer.iter_lines():
        told: dict[str, Any] = json.loads(line or b"{}")
        if "error" in told:
            raise ConnectionError("etcd refuses the watch")
        result = told.get("result", {})
        if result.get("events") or result.get("canceled"):
            return
    raise ConnectionError("etcd ended the watch")


def _is_silence(error: Exception) -> bool:
    """requests tells a read that timed out within a body as a ConnectionError."""
    return isinstance(error, requests.ReadTimeout) or "Read timed out" in str(error)


def _reason(error: Exception) -> str:
    return "it sent something else" if isinstance(error, binascii.Error | ValueError) else type(error).__name__
