"""`python -m tests.chaos [--seeds N] [--first-seed N] [--mutant NAME]`: break everything, count what is missing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.chaos import negative, report
from tests.chaos.house import House, house
from tests.chaos.mutants import NAMES, SHOWN_BY
from tests.chaos.plan import KINDS, Plan, plan
from tests.chaos.progress import Progress
from tests.chaos.run import STUCK_SECONDS, Outcome, Run
from tests.chaos.watch import Watch
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import CHECKOUT

SHOWN = 10
ALL = "all"
MUTANT_HELP = (
    "spoil the product so; the run must fail. all: a short run of each, beside one of the same plan without it"
)


def main(arguments: list[str] | None = None) -> int:
    """Runs the seeds; 1 if any has a finding."""
    options = _options(arguments)
    if options.mutant == ALL:
        return negative.prove(options.first_seed, options.patience, options.out.with_name("chaos-mutants.json"))
    plans = [_plan(options, seed) for seed in range(options.first_seed, options.first_seed + options.seeds)]
    if options.plan:
        sys.stdout.write("\n".join(line for each in plans for line in _planned(each)) + "\n")
        return 0
    try:
        with house(options.mutant) as built:
            outcomes = _all(built, plans, options)
    except StackError:
        return 2
    figures = report.summary(outcomes, options.mutant)
    report.write(options.out, figures)
    sys.stdout.write("\n".join(report.told(figures)) + "\n")
    return int(report.failed(outcomes))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--mutant", choices=(*NAMES, ALL), default="", help=MUTANT_HELP)
    parser.add_argument("--signals", type=int, default=300)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--faults", type=int, default=8)
    parser.add_argument("--moves", type=int, default=24, help="moves of prices; a mutant's run has none")
    parser.add_argument("--only", nargs="+", choices=KINDS, help="kinds of fault (a mutant: those that show it)")
    parser.add_argument("--patience", type=float, default=STUCK_SECONDS, help="seconds without progress that mean lost")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "var" / "chaos.json")
    parser.add_argument("--plan", action="store_true", help="print what the seeds would do, and do nothing")
    return parser.parse_args(arguments)


def _plan(options: argparse.Namespace, seed: int) -> Plan:
    only = tuple(options.only or SHOWN_BY.get(options.mutant, KINDS))
    moves = 0 if options.mutant else options.moves
    return plan(seed, signals=options.signals, users=options.users, faults=options.faults, only=only, moves=moves)


def _planned(each: Plan) -> list[str]:
    bullish = sum(post.bullish for post in each.posts)
    who = f"{len(each.posts)} posts ({bullish} bullish) of {len(each.pairs)} users"
    head = f"seed {each.seed}: {who}, {each.poison} poison"
    return [head, *(f"    {fault.told()}" for fault in each.faults)]


def _all(built: House, plans: list[Plan], options: argparse.Namespace) -> list[Outcome]:
    watch, progress = Watch(built.direct.database), Progress()
    watch.install()
    outcomes = []
    for each in plans:
        progress.say("\n".join(_planned(each)))
        run = Run(built, watch, each, progress, options.patience)
        outcome = run.play()
        outcomes.append(outcome)
        progress.say("\n".join([*report.lines(outcome), *_explained(run, outcome, options)]))
        _clear(built)
        if options.mutant and report.failed(outcomes):
            break
    watch.close()
    return outcomes


def _explained(run: Run, outcome: Outcome, options: argparse.Namespace) -> list[str]:
    """What happened to each command that failed, and how to see it again."""
    told: list[str] = []
    for finding in outcome.verdict["findings"][:SHOWN]:
        whose = f"{finding['about']}, account {finding['credential']}"
        told.append(f"  {finding['kind'].upper()}: {finding['what']} ({whose})")
        told += [f"      {line}" for line in run.story(finding)]
    if told or not outcome.quiet:
        mutant = f" MUTANT={options.mutant}" if options.mutant else ""
        told.append(f"  again: make chaos SEEDS=1 FIRST_SEED={outcome.plan.seed}{mutant}")
    return told


def _clear(built: House) -> None:
    """The next seed starts without this one's strategies and rows; its accounts at the exchange stay, unused.

    The product goes on reading these tables meanwhile: PostgreSQL may choose this transaction to end a deadlock, and
    then it comes again.
    """
    import psycopg

    while True:
        try:
            with psycopg.connect(built.direct.database) as connection:
                connection.execute("UPDATE strategies_strategy SET enabled = false")
                connection.execute("TRUNCATE trading_command, trading_position, messaging_deadletter CASCADE")
        except psycopg.errors.DeadlockDetected:
            continue
        return


if __name__ == "__main__":
    sys.exit(main())
