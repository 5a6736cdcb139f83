"""Many verdicts to one: a weighted pool of log-odds, where agreement makes surer and disagreement costs confidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from apps.signals.domain.beliefs import EVENTS, NO_EVENT
from apps.signals.domain.verdict import SIDES, UNSURE, Verdict
from tradebot.contracts.messages import Evidence, TradeCall
from tradebot.contracts.values import Direction

VERSION = "pool-4"
ORDER = (Direction.BEARISH, Direction.NEUTRAL, Direction.BULLISH)
FLOOR = 0.02
"""No analyzer is ever surer than this of what it denies, so none can veto alone."""
SUPPORT = 0.0
"""Advice may make a verdict doubtful without limit, and surer by no more than this: an outside service must not lift a
doubtful post over anybody's threshold (tests/attacks: with 0.1 a hostile one did, eight times in 202)."""
INDEPENDENCE = 0.75
"""How much of a second opinion is its own: 0, and agreement says nothing new; 1, and analyzers share no mistake. Fitted
on posts that may be trained on, judged by models that had not seen them: 0.5 for those written for training (ECE 2.7 %,
0.75: 3.9 %); the corpus' own are plainer, and the models 3.5 points too modest about them."""
LEAST = 0.002
"""The least chance of an event or a mood that counts."""
SUREST = 0.98
CHANCE = math.log(0.5)
"""Log-odds of one direction of three."""
MAX_EVIDENCE = 12
CAUTION = ("question", "report", "claim", "instruction")
"""Moods, the most careful first: it wins a tie."""

Name = TypeVar("Name", bound=str)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The ensemble's verdict on one post. `notes` say who was left out and why; `versions` who took part, `weights`
    what each vote weighed, configured and measured."""

    direction: Direction
    confidence: float
    event: str
    evidence: tuple[Evidence, ...]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    mood: str = ""
    call: TradeCall | None = None
    weights: dict[str, dict[str, float]] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """What a signal keeps of who judged: versions, weights and notes, as JSON."""
        return {
            "ensemble": VERSION,
            "analyzers": self.versions,
            "weights": self.weights,
            "notes": list(self.notes),
        }


def distribution(direction: Direction, confidence: float) -> dict[Direction, float]:
    """Probabilities of the three directions: `confidence` for one, the rest shared by the other two.

    Who names a direction holds it for the likeliest: less than a third says no more than a third.
    """
    sure = min(max(confidence, UNSURE), 1 - 2 * FLOOR)
    return {each: sure if each is direction else (1 - sure) / 2 for each in ORDER}


def believed(verdict: Verdict) -> Mapping[Direction, float]:
    """All three chances as the analyzer gave them, none below FLOOR; else those that its one confidence implies."""
    given = verdict.beliefs.direction if verdict.beliefs else {}
    if not given:
        return distribution(verdict.direction, verdict.confidence)
    floored = {each: max(given.get(each.value, 0.0), FLOOR) for each in ORDER}
    total = math.fsum(floored.values())
    return {each: chance / total for each, chance in floored.items()}


def combine(verdicts: Sequence[Verdict], quorum: int = 1) -> Judgement:
    """Pool the verdicts that count. Fewer answers than `quorum`: neutral, without confidence.

    Advisory analyzers are outside services: they are not needed for a quorum and decide no direction. A direction that
    nobody quotes a word for is not voted on.
    """
    notes = tuple(f"{each.analyzer} left out: {each.error}" for each in verdicts if each.error)
    answered = [each for each in verdicts if not each.error]
    versions = {each.analyzer: each.version for each in answered}
    needed = [each for each in answered if not each.advisory]
    voting = [supported(each) for each in answered if each.counts]
    core = [each for each in voting if not each.advisory]
    if len(needed) < quorum or not core:
        missing = f"{len(needed)} of {quorum} analyzers answered" if len(needed) < quorum else "no analyzer has a view"
        return Judgement(Direction.NEUTRAL, 0.0, "", (), versions, (*notes, missing), weights=_weights(voting))
    direction, confidence, doubts = _decided(core, voting)
    return Judgement(
        direction=direction,
        confidence=round(confidence, 4),
        event=_event(core) or _event(voting),
        evidence=_evidence(voting, direction),
        versions=versions,
        notes=(*notes, *doubts),
        mood=_mood(core) or _mood(voting),
        call=_call(core, direction),
        weights=_weights(voting),
    )


def supported(verdict: Verdict) -> Verdict:
    """The verdict as it may vote: bullish or bearish without a single quote is as good as unsure."""
    return verdict if verdict.evidence or verdict.direction is Direction.NEUTRAL else verdict.silenced()


def pool(verdicts: Sequence[Verdict]) -> dict[Direction, float]:
    """Weighted geometric mean of the verdicts' distributions, normalised (a logarithmic opinion pool)."""
    return pooled([(each.pull, believed(each)) for each in verdicts], ORDER)


def pooled(votes: Sequence[tuple[float, Mapping[Name, float]]], names: Sequence[Name]) -> dict[Name, float]:
    """The same of any names: each vote is its weight and a chance above 0 for every name."""
    total = math.fsum(weight for weight, _ in votes)
    logs = {name: math.fsum(weight / total * math.log(chances[name]) for weight, chances in votes) for name in names}
    scale = math.fsum(math.exp(value) for value in logs.values())
    return {name: math.exp(value) / scale for name, value in logs.items()}


def _decided(core: Sequence[Verdict], voting: Sequence[Verdict]) -> tuple[Direction, float, tuple[str, ...]]:
    """Direction, confidence, and what advice did to them: it may talk out of a direction, never into one."""
    direction, sure = _said(core)
    if len(core) == len(voting):
        return direction, sure, ()
    advised, together = _said(voting)
    if advised is direction:
        return direction, min(together, sure + SUPPORT), ()
    note = f"{direction} without advice, {advised} with it: neutral"
    return Direction.NEUTRAL, pool(voting)[Direction.NEUTRAL], (note,)


def _said(voting: Sequence[Verdict]) -> tuple[Direction, float]:
    chances = pool(voting)
    direction = _likeliest(chances)
    agreeing = [each.pull for each in voting if each.direction is direction]
    return direction, surer(chances[direction], voices(agreeing))


def voices(weights: Sequence[float]) -> float:
    """How many equally heavy votes these are worth (Kish's effective sample size); at least one."""
    return math.fsum(weights) ** 2 / math.fsum(weight * weight for weight in weights) if weights else 1.0


def surer(chance: float, number: float) -> float:
    """The chance of a direction that so many agree on: its log-odds beyond chance grow with each further voice."""
    odds = math.log(chance / (1 - chance)) - CHANCE
    grown = CHANCE + odds * (1 + INDEPENDENCE * (number - 1))
    return min(max(SUREST, chance), 1 / (1 + math.exp(-grown)))


def _likeliest(chances: Mapping[Direction, float]) -> Direction:
    """The direction with the best chance; neutral where two share it."""
    best = max(chances.values())
    likely = [each for each in ORDER if math.isclose(chances[each], best, rel_tol=1e-9)]
    return likely[0] if len(likely) == 1 else Direction.NEUTRAL


def _event(voting: Sequence[Verdict]) -> str:
    """The likeliest of the events that somebody names and quotes a word for, unless none is likelier."""
    quoted = {each.event for each in voting if each.event and each.evidence}
    others = {each.event for each in voting if each.event} - set(EVENTS)
    chances = _together(voting, "event", [*EVENTS, *sorted(others)])
    return _best(chances, [NO_EVENT, *sorted(quoted)]).removeprefix(NO_EVENT)


def _mood(voting: Sequence[Verdict]) -> str:
    return _best(_together(voting, "mood", CAUTION), CAUTION)


def _together(voting: Sequence[Verdict], kind: str, names: Sequence[str]) -> dict[str, float]:
    """The pooled chances of events or moods by those who say anything of them."""
    told = [(each.pull_on(kind), found) for each in voting if (found := _chances(each, kind, names))]
    return pooled(told, names) if told else {}


def _chances(verdict: Verdict, kind: str, names: Sequence[str]) -> dict[str, float]:
    """Of every name by one analyzer: as it gave them, else what its confidence in the one that it names implies."""
    given, named = getattr(verdict.beliefs, kind, {}), getattr(verdict, kind)
    if given:
        return {name: max(given.get(name, 0.0), LEAST) for name in names}
    if named not in names:
        return {}
    sure = min(max(verdict.confidence, UNSURE), 1 - 2 * FLOOR)
    return {name: sure if name == named else (1 - sure) / (len(names) - 1) for name in names}


def _best(chances: Mapping[str, float], allowed: Sequence[str]) -> str:
    """The likeliest of the names that are allowed; of equals the first. Empty where nobody says anything."""
    return max(allowed, key=lambda name: (round(chances[name], 9), -allowed.index(name))) if chances else ""


def _call(voting: Iterable[Verdict], direction: Direction) -> TradeCall | None:
    """The numbers of the heaviest verdict whose side is the outcome's."""
    told = [each for each in voting if each.call and SIDES[each.call.side] is direction]
    return max(told, key=lambda each: (each.pull * each.confidence, each.analyzer)).call if told else None


def _evidence(voting: Iterable[Verdict], direction: Direction) -> tuple[Evidence, ...]:
    """Quotes of those who agree with the outcome, the heaviest first."""
    quotes = [quote for each in voting if each.direction is direction for quote in each.evidence]
    return tuple(sorted(quotes, key=lambda quote: (-abs(quote.weight), quote.model, quote.quote))[:MAX_EVIDENCE])


def _weights(voting: Sequence[Verdict]) -> dict[str, dict[str, float]]:
    total = math.fsum(each.pull for each in voting)
    return {
        each.analyzer: {
            "weight": round(each.weight, 4),
            "measured": round(each.factor, 4),
            "share": round(each.pull / total, 4),
        }
        for each in voting
    }
