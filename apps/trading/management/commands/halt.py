"""`manage.py halt`: the kill switch from the server's console."""

from __future__ import annotations

import getpass
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts import selectors as accounts
from apps.trading import services
from apps.trading.models import Way
from apps.trading.services.policy import last_switch
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import KillSwitch

EFFECT = {
    KillSwitch.ACTIVE: "entries are made within the limits",
    KillSwitch.REDUCING: "nothing is bought; sales go on and protection is kept",
    KillSwitch.HALTED: "nothing is bought; stops and targets are kept, and made again where they are missing",
}


class Command(BaseCommand):
    help = (
        "Turn the kill switch, of everybody (--platform) or of one user (--user NAME). Without --reducing or --resume "
        "nothing is bought any more. Sales by signals and the stops of what is held go on in every state, and it takes "
        "effect on the next order. --status only tells how things stand. Examples: "
        "`manage.py halt --platform --reason 'exchange hacked'`, `manage.py halt --user alice --resume --reason ok`. "
        "Exit codes: 0 done; 1 no such user, or no reason given; 2 wrong usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--platform", action="store_true", help="everybody")
        whose.add_argument("--user", metavar="NAME", help="one user, by user name")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--reducing", action="store_true", help="sell only")
        what.add_argument("--resume", action="store_true", help="trade again")
        what.add_argument("--status", action="store_true", help="change nothing, tell the state and who set it")
        parser.add_argument("--reason", default="", help="why; kept with the change and shown in the admin")

    def handle(self, *args: Any, **options: Any) -> None:
        user_id = None if options["platform"] else self._user(options["user"])
        whose = "the platform" if user_id is None else options["user"]
        if not options["status"]:
            self._turn(user_id, _state(options), options["reason"])
        self._tell(user_id, whose)

    def _user(self, name: str) -> UUID:
        found = accounts.user_named(name)
        if found is None:
            raise CommandError(f"--user: there is no user {name!r}; the admin lists them under Users")
        return found.id

    def _turn(self, user_id: UUID | None, state: KillSwitch, reason: str) -> None:
        by = services.By(f"{getpass.getuser()} (console)"[:150], Way.COMMAND)
        try:
            services.switch(user_id=user_id, state=state, by=by, reason=reason, now=timezone.now())
        except InvalidField as error:
            raise CommandError(f"--{error.field}: {error.reason}") from None

    def _tell(self, user_id: UUID | None, whose: str) -> None:
        state = KillSwitch(services.policy_of(user_id).kill_switch)
        self.stdout.write(f"{whose}: {state.value} ({EFFECT[state]})")
        last = last_switch(user_id)
        if last:
            self.stdout.write(f"set by {last.by_name} at {last.at:%Y-%m-%d %H:%M:%S} UTC: {last.reason or 'no reason'}")


def _state(options: dict[str, Any]) -> KillSwitch:
    if options["resume"]:
        return KillSwitch.ACTIVE
    return KillSwitch.REDUCING if options["reducing"] else KillSwitch.HALTED
