"""Three ways to spoil the product, from outside: `python -m tests.chaos.mutants NAME -m celery …` spoils one process.

Each must make the chaos run fail; they show that it would notice. No code of the product knows of them.
"""

from __future__ import annotations

import runpy
import sys
import threading
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction


def submit_before_commit() -> None:
    """The order goes to the exchange first, and its row is committed afterwards."""
    from apps.trading.domain.states import OrderStatus
    from apps.trading.services import decide, run, submit
    from apps.trading.services.outcomes import Overtaken

    at_hand, answers = threading.local(), dict[Any, Any]()
    look, send = decide.look, run._send

    def look_and_keep(venue: Any, *more: Any) -> Any:
        at_hand.venue = venue
        return look(venue, *more)

    def decide_and_place(command: Any, seen: Any, attempt: int, now: Any) -> Any:
        try:
            with transaction.atomic(durable=True):
                order = decide._decide(command, seen, attempt, now)
                if order is not None and order.status == OrderStatus.SUBMITTING:
                    answers[order.pk] = at_hand.venue.place(submit._request(order))
                return order
        except IntegrityError:
            raise Overtaken from None

    def send_once(order: Any, venue: Any, now: Any) -> Any:
        answer = answers.pop(order.pk, None)
        return submit.absorb(order, answer, venue=venue, now=now) if answer else send(order, venue, now)

    _replace(run, "look", look_and_keep)
    _replace(run, "decide", decide_and_place)
    _replace(run, "_send", send_once)


def resend_on_timeout() -> None:
    """An order whose answer was lost is sent again, as if its client id made that safe."""
    from apps.trading.services import submit

    doubt = submit._doubt

    def again(orders: Any, error: Exception, *, venue: Any, now: Any) -> Any:
        try:
            answers = [venue.place(submit._request(order)) for order in orders]
        except Exception:  # noqa: BLE001 - as a careless loop of retries would
            return doubt(orders, error, venue=venue, now=now)
        return [submit.absorb(*pair, venue=venue, now=now) for pair in zip(orders, answers, strict=True)]

    _replace(submit, "_doubt", again)


def forget_reservation() -> None:
    """An order's money is not set aside while it is under way."""
    from apps.trading.services import decide

    new_order = decide.new_order

    def unreserved(*arguments: Any, **terms: Any) -> Any:
        return new_order(*arguments, **{**terms, "reserved_quote": 0, "reserved_base": 0})

    _replace(decide, "new_order", unreserved)


MUTANTS: dict[str, Callable[[], None]] = {
    "submit_before_commit": submit_before_commit,
    "resend_on_timeout": resend_on_timeout,
    "forget_reservation": forget_reservation,
}
NAMES = tuple(MUTANTS)
SHOWN_BY = {
    "submit_before_commit": ("child_killed_at_the_wire", "postgres_stopped_at_the_wire"),
    "resend_on_timeout": ("answers_lost",),
    "forget_reservation": ("fills_late",),
}
"""Kinds of fault that show each mutant soonest."""
MEASURE = {"submit_before_commit": "doubled", "resend_on_timeout": "doubled", "forget_reservation": "broken"}
"""What each mutant makes of orders: two, one that no row tells of, a limit passed."""


def _replace(module: Any, name: str, by: Any) -> None:
    """A mutant of something that is gone would prove nothing: AttributeError then."""
    getattr(module, name)
    setattr(module, name, by)


def main() -> None:
    """Spoil this process, then run the module that the rest of the command names."""
    _, mutant, dash_m, module, *rest = sys.argv
    if dash_m != "-m":
        raise SystemExit("usage: python -m tests.chaos.mutants NAME -m MODULE …")
    import django

    django.setup()
    MUTANTS[mutant]()
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
