"""Whether a strategy acts on a signal, and the first reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from apps.strategies.domain.spec import StrategySpec, Terms, VenueChoice
from apps.strategies.domain.words import folded, folded_name, occurs
from tradebot.contracts.messages import AnalysisSignal, VenueScore
from tradebot.contracts.values import Action, Direction, Leg, Mode

PUSHED = "push:"


class Reason(StrEnum):
    """The rule that failed."""

    DISABLED = "disabled"
    OWNER = "owner"
    SOURCE = "source"
    KEYWORDS = "keywords"
    DIRECTION = "direction"
    NO_ACTION = "no_action"
    CREDENTIAL = "credential"
    COIN = "coin"
    CONFIDENCE = "confidence"
    TIME_WINDOW = "time_window"
    AGE = "age"
    COOLDOWN = "cooldown"
    STORY = "story"


@dataclass(frozen=True, slots=True)
class ActiveStrategy:
    """One version of a strategy, ready to be matched."""

    id: UUID
    user_id: UUID
    version: int
    spec: StrategySpec


@dataclass(frozen=True, slots=True)
class PostView:
    """A post in the form in which strategies compare it. `owner`: id of the one user who may see it, or empty."""

    kind: str
    author: str
    channel: str
    text: str
    timestamp: datetime
    owner: str = ""

    @classmethod
    def of(cls, *, source: str, author: str, channel: str, text: str, timestamp: datetime, owner: str = "") -> PostView:
        """`text` with the text of its images. A `push:<user>` source makes that user its owner."""
        if source.startswith(PUSHED):
            owner = owner or source.removeprefix(PUSHED)
        return cls(source, folded_name(author), folded_name(channel), folded(text), timestamp, owner)


@dataclass(frozen=True, slots=True)
class Account:
    """The exchange account that a strategy trades on. `paper`: no real money can move there."""

    credential_id: UUID
    venue: str
    paper: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a match may ask: the time, a user's usable account by credential id (None: the default one), whether
    base/quote trades at a venue, and all usable accounts of a user, the default one first."""

    now: datetime
    account: Callable[[UUID, UUID | None], Account | None]
    tradable: Callable[[str, str, str], bool]
    accounts: Callable[[UUID], tuple[Account, ...]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class Matched:
    """Every rule but the cool-down holds. `coins` may be traded; the first that does not cool down is.

    `choices`: the accounts to choose from where the strategy leaves that to us; each coin trades at one of them at
    least. `venues`: what `account` was chosen from, once it is.
    """

    action: Action
    leg: Leg
    terms: Terms
    account: Account
    coins: tuple[str, ...]
    choices: tuple[Account, ...] = ()
    venues: tuple[VenueScore, ...] = ()


@dataclass(frozen=True, slots=True)
class NotMatched:
    """The first rule that failed, and a sentence for its user."""

    reason: Reason
    detail: str


def match(
    strategy: ActiveStrategy, signal: AnalysisSignal, post: PostView, around: Surroundings
) -> Matched | NotMatched:
    """Judge one signal for one strategy by the rules of docs/architecture.md, in their order."""
    refused = _may_see(strategy, signal, post) or _source(strategy.spec, post) or _keywords(strategy.spec, post)
    if refused:
        return refused
    acting = _act(strategy.spec, signal)
    if isinstance(acting, NotMatched):
        return acting
    accounts = _accounts(strategy, acting[1], around)
    if isinstance(accounts, NotMatched):
        return accounts
    coins = _coins(strategy.spec, signal, accounts, around)
    if isinstance(coins, NotMatched):
        return coins
    refused = _confidence(strategy.spec, signal) or _time(strategy.spec, around.now)
    choices = accounts if strategy.spec.venue else ()
    matched = Matched(*acting, account=accounts[0], coins=coins, choices=choices)
    return refused or _age(strategy.spec, post, around.now) or matched


def _may_see(strategy: ActiveStrategy, signal: AnalysisSignal, post: PostView) -> NotMatched | None:
    if not strategy.spec.enabled:
        return NotMatched(Reason.DISABLED, "the strategy is switched off")
    owners = {owner for owner in (signal.owner_id, post.owner) if owner}
    if owners and owners != {str(strategy.user_id)}:
        return NotMatched(Reason.OWNER, "the post was pushed by another user, for their own strategies")
    return None


def _source(spec: StrategySpec, post: PostView) -> NotMatched | None:
    if spec.watch_list.any_source:
        return None
    # In a channel or feed anybody may sign as anybody: what stands there is known by the channel alone.
    if (post.channel or post.author) in _watched(spec, post.kind):
        return None
    where = f" in {post.channel}" if post.channel else ""
    return NotMatched(Reason.SOURCE, f"{post.kind} post by {post.author}{where}: not on the watch list")


def _watched(spec: StrategySpec, kind: str) -> frozenset[str]:
    if kind == "twitter":
        return spec.watch_list.twitter_users
    if kind == "telegram":
        return spec.watch_list.telegram_groups
    return frozenset() if kind.startswith(PUSHED) else spec.watch_list.feeds


def _keywords(spec: StrategySpec, post: PostView) -> NotMatched | None:
    keywords = spec.watch_list.keywords
    if not keywords or any(occurs(keyword, post.text) for keyword in keywords):
        return None
    return NotMatched(Reason.KEYWORDS, f"the post says none of: {', '.join(keywords)}")


def _act(spec: StrategySpec, signal: AnalysisSignal) -> tuple[Action, Leg, Terms] | NotMatched:
    if signal.type == Direction.BULLISH:
        acting = (Action.BUY, Leg.ENTRY, spec.bullish)
    elif signal.type == Direction.BEARISH:
        acting = (Action.SELL, Leg.EXIT, spec.bearish)
    else:
        return NotMatched(Reason.DIRECTION, "the signal is neutral")
    side, leg, terms = acting
    return (side, leg, terms) if terms else NotMatched(Reason.NO_ACTION, f"the strategy has no {signal.type} action")


def _accounts(strategy: ActiveStrategy, leg: Leg, around: Surroundings) -> tuple[Account, ...] | NotMatched:
    if strategy.spec.venue is None:
        account = _account(strategy, around)
        return account if isinstance(account, NotMatched) else (account,)
    # What was bought somewhere is sold there, whatever the strategy prefers by now.
    wanted = strategy.spec.venue if leg is Leg.ENTRY else VenueChoice()
    found = choices(wanted, strategy.spec.mode, around.accounts(strategy.user_id))
    return found or NotMatched(Reason.CREDENTIAL, NO_CHOICE)


NO_CHOICE = "none of the user's active accounts is at an exchange that the strategy names and fits its mode"


def choices(wanted: VenueChoice, mode: Mode, accounts: Iterable[Account]) -> tuple[Account, ...]:
    """The accounts a strategy may use, those at the exchange it likes best first."""
    fit = [account for account in accounts if not mode_refusal(mode, paper=account.paper)]
    if not wanted.preferred:
        return tuple(fit)
    liked = [account for account in fit if account.venue in wanted.preferred]
    return tuple(sorted(liked, key=lambda account: wanted.preferred.index(account.venue)))


def _account(strategy: ActiveStrategy, around: Surroundings) -> Account | NotMatched:
    account = around.account(strategy.user_id, strategy.spec.credential_id)
    if account is None:
        return NotMatched(Reason.CREDENTIAL, "the exchange account is missing or not active, or its exchange is off")
    if refusal := mode_refusal(strategy.spec.mode, paper=account.paper):
        return NotMatched(Reason.CREDENTIAL, refusal)
    return account


def mode_refusal(mode: Mode, *, paper: bool) -> str:
    """Why a strategy of this mode may not use an account; empty if it may."""
    if mode is Mode.PAPER and not paper:
        return "a paper strategy needs a paper account: choose one, or set mode to shadow or live"
    if mode is Mode.LIVE and paper:
        return "a live strategy needs a credential of a real exchange: set credential_id to one, or mode to paper"
    return ""


def _coins(
    spec: StrategySpec, signal: AnalysisSignal, accounts: tuple[Account, ...], around: Surroundings
) -> tuple[str, ...] | NotMatched:
    wanted = [coin for coin in signal.coins if not spec.watch_list.coins or coin in spec.watch_list.coins]
    if not wanted:
        said = ", ".join(signal.coins) or "no coin"
        return NotMatched(Reason.COIN, f"the signal is about {said}: not on the watch list")
    venues = dict.fromkeys(account.venue for account in accounts)
    coins = tuple(coin for coin in wanted if any(around.tradable(venue, coin, spec.quote) for venue in venues))
    if not coins:
        pairs = ", ".join(f"{coin}/{spec.quote}" for coin in wanted)
        return NotMatched(Reason.COIN, f"{' or '.join(venues)} has no market {pairs}")
    return coins


def _confidence(spec: StrategySpec, signal: AnalysisSignal) -> NotMatched | None:
    if signal.confidence >= spec.min_confidence:
        return None
    return NotMatched(Reason.CONFIDENCE, f"confidence {signal.confidence:.2f} is under {spec.min_confidence:g}")


def _time(spec: StrategySpec, now: datetime) -> NotMatched | None:
    if not spec.time_windows or any(window.covers(now) for window in spec.time_windows):
        return None
    return NotMatched(Reason.TIME_WINDOW, f"{now:%a %H:%M} UTC is outside the time windows")


def _age(spec: StrategySpec, post: PostView, now: datetime) -> NotMatched | None:
    age = now - post.timestamp
    if age > spec.max_signal_age:
        limit = spec.max_signal_age.total_seconds()
        return NotMatched(Reason.AGE, f"the post is {age.total_seconds():.0f} s old, over {limit:.0f} s")
    if post.timestamp > now:
        return NotMatched(Reason.AGE, f"the post is dated {-age.total_seconds():.0f} s in the future")
    return None
