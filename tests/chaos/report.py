"""What a run of seeds proved: printed for people, and as var/chaos.json."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.run import Outcome

KINDS = ("lost", "doubled", "unprotected", "broken")


def counts(outcome: Outcome) -> dict[str, int]:
    """Findings of a seed by kind; a seed that never came to rest has lost what still waits."""
    found = Counter(finding["kind"] for finding in outcome.verdict["findings"])
    return {kind: found[kind] for kind in KINDS}


def failed(outcomes: Iterable[Outcome]) -> bool:
    """Whether any seed has a finding, or did not come to rest."""
    return any(outcome.verdict["findings"] or not outcome.quiet for outcome in outcomes)


def lines(outcome: Outcome) -> list[str]:
    """A seed in a few lines."""
    found, verdict = counts(outcome), outcome.verdict
    told = ", ".join(f"{kind} {number}" for kind, number in found.items())
    rest = "" if outcome.quiet else ", did NOT come to rest"
    return [
        f"seed {outcome.plan.seed}: {verdict['commands']} commands, {verdict['orders']} orders at the exchange, "
        f"{verdict['stops']} guards, {verdict['triggered']} triggered, {outcome.moved} moves of prices; "
        f"{told}{rest}; {outcome.seconds:.0f} s",
        *(f"    {_struck(each)}" for each in outcome.struck),
        f"    denied {verdict['denied']}, orders {verdict['statuses']}",
    ]


def _struck(struck: Any) -> str:
    after = "" if struck.recovered is None else f", all of it at its end {struck.recovered:.1f} s later"
    return f"{struck.fault.told()}: {struck.outcome}, {struck.in_flight} under way{after}"


def summary(outcomes: Sequence[Outcome], mutant: str) -> dict[str, Any]:
    """The figures of var/chaos.json."""
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total.update(counts(outcome))
    recovered = [struck.recovered for outcome in outcomes for struck in outcome.struck if struck.recovered is not None]
    messages = sum(outcome.deliveries.messages for outcome in outcomes)
    again = sum(outcome.deliveries.again for outcome in outcomes)
    in_flight = sum(outcome.in_flight for outcome in outcomes)
    return {
        "seeds": [outcome.plan.seed for outcome in outcomes],
        "mutant": mutant,
        "commands": sum(outcome.verdict["commands"] for outcome in outcomes),
        "orders": sum(outcome.verdict["orders"] for outcome in outcomes),
        "triggered": sum(outcome.verdict["triggered"] for outcome in outcomes),
        "faults": sum(len(outcome.struck) for outcome in outcomes),
        **{kind: total[kind] for kind in KINDS},
        "redelivered": round(100 * again / messages, 3) if messages else 0.0,
        "recovery_s": {
            "p50": round(statistics.median(recovered), 1) if recovered else None,
            "max": round(max(recovered), 1) if recovered else None,
        },
        "in_flight": in_flight,
        "bound_95": round(3 / in_flight, 6) if in_flight else None,
        "findings": [{"seed": each.plan.seed, **finding} for each in outcomes for finding in each.verdict["findings"]],
    }


def told(figures: dict[str, Any]) -> list[str]:
    """The summary for people."""
    recovery = figures["recovery_s"]
    bound = "no command was in flight" if figures["bound_95"] is None else f"below {100 * figures['bound_95']:.2f} %"
    return [
        f"{len(figures['seeds'])} seeds, {figures['commands']} commands, {figures['faults']} faults",
        f"lost {figures['lost']}, doubled {figures['doubled']}, unprotected {figures['unprotected']}, "
        f"broken {figures['broken']}",
        f"redelivered {figures['redelivered']} %, recovery p50 {recovery['p50']} s, max {recovery['max']} s",
        f"{figures['in_flight']} commands were in flight when a fault struck; 95 % bound: {bound}",
    ]


def write(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
