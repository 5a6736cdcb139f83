"""The messages between stages: frozen, versioned, JSON. Their field names are the product's public contract."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import Action, AmountType, ConditionKind, Direction, Leg, Mode

M = TypeVar("M", bound=msgspec.Struct)

Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Aware = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What every item carries: identity, ancestry, version, when it was first seen, and each stage's start and end."""

    id: Name
    root_id: str
    seen_at: Aware
    parent_id: str | None = None
    v: int = 1
    stages: dict[str, tuple[Aware, Aware]] = {}


class CrawlerMessage(Message, frozen=True, kw_only=True):
    """A post as its source gave it. `id` is the source's own id; `root_id` is new for every sighting, so a
    redelivered message (same root) and a post seen twice (another root) can be told apart."""

    source: Name
    type: Literal["text", "image", "video"]
    data: str
    timestamp: Aware
    author: Name
    media_urls: list[str] = []
    url: str = ""
    revision: Annotated[int, msgspec.Meta(ge=0)] = 0
    channel: str = ""
    """Channel, group or feed the post stood in; empty where the author is the channel."""


class CleanPost(Message, frozen=True, kw_only=True):
    """A normalised post (internal)."""

    post_id: str
    source: str
    channel: str
    author: str
    type: Literal["text", "image", "video"]
    text: str
    language: str
    timestamp: Aware
    media_urls: list[str] = []
    owner_id: str | None = None
    """Set for `push:<user>` posts: only this user's strategies may see it."""


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """One recognised line: its text and its four corners in pixels, clockwise from top left."""

    text: str
    confidence: Score
    points: list[tuple[float, float]]
    unsure: bool = False
    """Read with little confidence, or two engines read its tickers or numbers differently: no trade may rest on it."""


class OCRResult(Message, frozen=True, kw_only=True):
    """What stands in one image of a post. All images of a post travel together (`index` of `count`)."""

    original_url: str
    text: str
    confidence: Score
    language: str
    post_id: str
    boxes: list[Box] = []
    engine: str = ""
    error: str = ""
    index: int = 0
    count: int = 1
    source: str = ""


class Near(msgspec.Struct, frozen=True, kw_only=True):
    coin: str
    similarity: float


class Features(Message, frozen=True, kw_only=True):
    """One text (post and images), its vector and its coins (internal). `vector`: base64 of 384 float32 (<f4)."""

    post_id: str
    source: str
    channel: str
    author: str
    text: str
    language: str
    timestamp: Aware
    images: list[OCRResult] = []
    tickers: list[str] = []
    vector: str = ""
    nearest: list[Near] = []
    """Coins whose descriptions the text comes nearest to, best first; not looked for where the text names a coin."""
    owner_id: str | None = None
    chances: str = ""
    """What an encoder makes of the text: base64 of 22 float16 (<f2), empty where none was asked."""
    judge: str = ""
    """The version of the encoder that gave the chances; empty in bodies of older senders, where it was MiniLM."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why: a quote that occurs in the source, where (span in the text, or box of an image), and what it weighed."""

    kind: str
    quote: str
    weight: float
    model: str
    span: tuple[int, int] | None = None
    box: list[tuple[float, float]] | None = None


class TradeCall(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a trade call as they stand in the post, in the quote currency. `entry`: one price, or the two ends
    of a range."""

    side: Literal["long", "short"]
    entry: list[Decimal] = []
    stop: Decimal | None = None
    targets: list[Decimal] = []


class Beliefs(msgspec.Struct, frozen=True, kw_only=True):
    """All that an analyzer holds for possible: chances by name, in sum 1; a set is empty where it does not know."""

    direction: dict[str, float] = {}
    event: dict[str, float] = {}
    mood: dict[str, float] = {}


class AnalysisSignal(Message, frozen=True, kw_only=True):
    """What a post means for which coins. `sources` are `kind:name`, `timestamp` is the post's own."""

    signal_id: str
    type: Direction
    confidence: Score
    coins: list[str]
    evidence: list[Evidence]
    sources: list[str]
    timestamp: Aware
    event: str = ""
    post_id: str = ""
    owner_id: str | None = None
    mood: str = ""
    """How the post is meant: instruction, claim, report or question; empty where nobody said."""

    call: TradeCall | None = None
    cluster_id: str = ""
    """The story that this post tells, together with others of a window."""

    shadow: str = ""
    """Why nothing real may be ordered by it; empty where it may."""

    beliefs: Beliefs | None = None
    """Only in an analyzer's answer, where it knows more than one direction with one confidence."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    kind: ConditionKind
    value: str


class VenueScore(msgspec.Struct, frozen=True, kw_only=True):
    """One account that an order could have gone to, with its score (0 to 1) and what it is made of. `price`: expected
    mean price for the size; `filled`: the share of the size that its book holds; `note`: why it was (not) chosen."""

    exchange: str
    credential_id: str
    score: Decimal = Decimal(0)
    parts: dict[str, Decimal] = {}
    price: Decimal | None = None
    filled: Decimal = Decimal(0)
    chosen: bool = False
    note: str = ""


class TradeCommand(Message, frozen=True, kw_only=True):
    """One user's instruction to their own account. `id` is the command's own uuid5."""

    user_id: str
    action: Action
    pair: str
    amount_type: AmountType
    amount: Decimal
    signal_id: str
    strategy_id: str
    credential_id: str
    leg: Leg
    expires_at: Aware
    exchange: str
    conditions: list[Condition] = []
    mode: Mode = Mode.PAPER
    venues: list[VenueScore] = []
    """What the account was chosen from, the best first; empty where the strategy names its account."""

    signal_price: Decimal | None = None
    """What a buyer had to pay (a seller got) when the signal was dispatched, from a price at most two seconds old."""


def to_wire(message: msgspec.Struct) -> dict[str, Any]:
    """JSON-ready dict: Decimal, UUID and datetime become text."""
    built: dict[str, Any] = msgspec.to_builtins(message)
    return built


def from_wire(kind: type[M], raw: object) -> M:
    """Read one item. Unknown keys are ignored, so a newer sender can talk to an older reader.

    Raises InvalidField naming the field.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _named(error) from None


def _named(error: msgspec.ValidationError) -> InvalidField:
    reason, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if not field and "field `" in reason:
        field = reason.split("`")[1]
    return InvalidField(field, reason)
