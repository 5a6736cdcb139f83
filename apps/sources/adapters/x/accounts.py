"""Names to ids, asked once, and what became of accounts that can't be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from apps.sources.adapters.x import api
from apps.sources.adapters.x.api import Api
from apps.sources.adapters.x.config import XConfig

_AT_ONCE = 100
_TRY_AGAIN_HOURS = 6


class Account(msgspec.Struct):
    """What was learnt of a configured name. `at`: when, seconds since 1970. `reason`: why it can't be read; a known
    `id` is asked for all the same, for accounts come back."""

    id: str = ""
    name: str = ""
    at: int = 0
    reason: str = ""


class Accounts:
    """The configured names, lower case, and what is known of each."""

    def __init__(self, config: XConfig, stored: Any) -> None:
        self._config = config
        self._names = {handle.casefold(): handle for handle in config.handles}
        known = _load(stored)
        self._known = {name: known.get(name) or Account() for name in self._names}

    @property
    def ids(self) -> list[str]:
        """Of the accounts that X knows, in the order of the settings; each once."""
        return list(dict.fromkeys(account.id for account in self._known.values() if account.id))

    @property
    def notes(self) -> dict[str, str]:
        """Why some can't be read, and which have another name by now."""
        told = {self._names[name]: account.reason for name, account in self._known.items() if account.reason}
        moved = {
            self._names[name]: f"is called {account.name} now; its posts bear that name, strategies need it too"
            for name, account in self._known.items()
            if account.name and account.name.casefold() != name
        }
        return {**moved, **told}

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {name: msgspec.to_builtins(account) for name, account in self._known.items() if account.at}

    def learn(self, asked: Api, now: datetime) -> None:
        """Ask for the names never asked for, for those that X did not know some hours ago, and now and then for all
        the others: a user costs twice a post. Raises as `Api` does; what was learnt until then stays."""
        moment = int(now.timestamp())
        unknown = [name for name, one in self._known.items() if not one.id and _is_old(one, moment, _TRY_AGAIN_HOURS)]
        for names in _parts(unknown):
            spelled = ",".join(self._names[name] for name in names)
            answer = asked.get(api.USERS_BY_NAME, "/2/users/by", {"usernames": spelled})
            self._told(names, "username", answer, moment)
        old = [name for name, one in self._known.items() if one.id and _is_old(one, moment, self._patience(one))]
        for names in _parts(old):
            ids = ",".join(self._known[name].id for name in names)
            self._told(names, "id", asked.get(api.USERS, "/2/users", {"ids": ids}), moment)

    def _patience(self, account: Account) -> int:
        return _TRY_AGAIN_HOURS if account.reason else self._config.verify_hours

    def blame(self, user: str, reason: str) -> None:
        """Note why this id's timeline can't be read."""
        for account in self._known.values():
            if account.id == user:
                account.reason = reason

    def name_of(self, user: str) -> str:
        """What the account with this id is called."""
        return next((account.name for account in self._known.values() if account.id == user), "")

    def seen(self, user: str) -> None:
        """This id's timeline was read."""
        self.blame(user, "")

    def _told(self, names: Sequence[str], by: str, answer: Mapping[str, Any], moment: int) -> None:
        data = answer.get("data")
        users = [user for user in data if isinstance(user, Mapping)] if isinstance(data, list) else []
        found = {str(user.get(by) or "").casefold(): user for user in users}
        reasons = {_about(error).casefold(): reason_of(error) for error in api.problems(answer)}
        for name in names:
            account = self._known[name]
            key = account.id if by == "id" else name
            self._update(account, found.get(key), reasons.get(key) or "X does not know this account", moment)

    def _update(self, account: Account, user: Mapping[str, Any] | None, reason: str, moment: int) -> None:
        account.at = moment
        if user is None or not str(user.get("id")).isdigit():
            account.reason = reason
            return
        account.id, account.name, account.reason = str(user.get("id")), str(user.get("username") or ""), ""


def reason_of(error: Mapping[str, Any]) -> str:
    """Why one account can't be shown: X says suspended, protected or not found."""
    said = str(error.get("detail") or error.get("message") or error.get("title") or "can't be shown")
    return said[:200]


def _about(error: Mapping[str, Any]) -> str:
    return str(error.get("value") or error.get("resource_id") or "")


def _is_old(account: Account, moment: int, hours: int) -> bool:
    return moment - account.at >= hours * 3600


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]


def _load(stored: Any) -> dict[str, Account]:
    try:
        return msgspec.convert(stored or {}, dict[str, Account])
    except msgspec.ValidationError:
        return {}
