"""What `crawler.toml` may say, and what it is told when it is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sources.domain.crawler_config import InvalidConfig, SourceSpec, read
from tests.stack import CHECKOUT
from tradebot.contracts.errors import InvalidField


class Notices(msgspec.Struct, forbid_unknown_fields=True):
    """The settings of a plugin that somebody else wrote."""

    page: str
    most: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    token: str = ""


MODELS: dict[str, type[msgspec.Struct] | None] = {
    "twitter": None,
    "telegram": None,
    "rss": None,
    "web": None,
    "notices": Notices,
}


def specs(text: str) -> dict[str, SourceSpec]:
    return {spec.name: spec for spec in read(text, MODELS, MODELS.__getitem__)}


def errors(text: str) -> dict[str, str]:
    with pytest.raises(InvalidConfig) as caught:
        read(text, MODELS, MODELS.__getitem__)
    return {error.field: error.reason for error in caught.value.errors}


# --- what it means ---------------------------------------------------------------------------------------------------


def test_the_file_that_comes_with_tradebot_is_valid_and_watches_nothing() -> None:
    found = read((CHECKOUT / "crawler.toml").read_text(), MODELS, MODELS.__getitem__)
    assert {spec.kind for spec in found} == {"twitter", "telegram"}
    assert not any(spec.enabled for spec in found)


def test_one_source_of_x_keeps_all_its_accounts() -> None:
    found = specs('[twitter]\nenabled = true\ninterval = 120\naccounts = ["@elonmusk", "VitalikButerin"]\n')
    assert found == {
        "twitter": SourceSpec("twitter", "twitter", "", True, 120, {"accounts": ["elonmusk", "VitalikButerin"]})
    }


def test_each_channel_of_telegram_is_a_source() -> None:
    found = specs(
        '[telegram]\napi_id = "env:ID"\napi_hash = "file:/run/hash"\nchannels = ["@one_channel", "other_channel"]\n'
    )
    assert list(found) == ["telegram:one_channel", "telegram:other_channel"]
    assert found["telegram:one_channel"].config == {
        "api_id": "env:ID",
        "api_hash": "file:/run/hash",
        "channel": "one_channel",
    }
    assert found["telegram:one_channel"].interval_seconds == 60


def test_a_feed_is_an_address_or_a_table_with_settings_of_its_own() -> None:
    found = specs(
        "[rss]\ninterval = 600\n"
        'feeds = ["https://a.test/feed", {name = "news", url = "https://b.test/", interval = 30, enabled = false}]\n'
    )
    assert found["https://a.test/feed"] == SourceSpec(
        "https://a.test/feed", "rss", "https://a.test/feed", True, 600, {}
    )
    assert found["news"] == SourceSpec("news", "rss", "https://b.test/", False, 30, {})


def test_a_page_carries_its_selectors() -> None:
    found = specs('[[web.pages]]\nname = "notices"\nurl = "https://c.test/"\nitem = "li.notice"\n')
    assert found["notices"].config == {"item": "li.notice"}


def test_an_installed_plugin_has_a_section_of_its_own() -> None:
    found = specs('[notices]\npage = "7"\nurl = "https://d.test/"\n')
    assert found["notices"] == SourceSpec("notices", "notices", "https://d.test/", True, 60, {"page": "7"})


def test_a_plugin_may_have_several_sections_with_names() -> None:
    found = specs('[[notices]]\nname = "one"\npage = "1"\n[[notices]]\nname = "two"\npage = "2"\ninterval = 5\n')
    assert [(name, spec.config, spec.interval_seconds) for name, spec in found.items()] == [
        ("notices:one", {"page": "1"}, 60),
        ("notices:two", {"page": "2"}, 5),
    ]


def test_what_is_switched_off_loads_no_crawler() -> None:
    text = '[twitter]\nenabled = false\naccounts = ["a"]\n[rss]\nfeeds = [{url = "https://a.test/", enabled = false}]\n'
    assert not any(spec.enabled for spec in read(text, (), broken))


def broken(kind: str) -> None:
    raise LookupError(kind)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once_with_its_line() -> None:
    found = errors(
        "[twitter]\n"
        "enabled = 1\n"
        'accounts = ["fine", "not a name"]\n'
        "\n"
        "[telegram]\n"
        "interval = 0\n"
        'channels = "cryptosignals"\n'
        "\n"
        "[rss]\n"
        "feeds = [\n"
        '  "https://a.test/",\n'
        '  "ftp://b.test/",\n'
        "]\n"
        "[twiter]\n"
    )
    assert list(found) == [
        "twitter.enabled",
        "twitter.accounts[1]",
        "telegram.interval",
        "telegram.channels",
        "rss.feeds[1]",
        "twiter",
    ]
    assert found["twitter.enabled"] == "must be true or false (line 2)"
    assert found["twitter.accounts[1]"].endswith("like elonmusk (line 3)")
    assert found["telegram.interval"] == "must be whole seconds from 1 to 604800 (line 6)"
    assert found["telegram.channels"] == "must be a list (line 7)"
    assert found["rss.feeds[1]"].endswith("begins with https:// (line 12)")
    assert found["twiter"] == "is no kind of source; known are notices, rss, telegram, twitter, web (line 14)"


def test_a_plugins_own_model_is_heeded_in_every_field() -> None:
    found = errors('[notices]\nmost = 500\npags = "7"\ntoken = "env:TOKEN"\n')
    assert found["notices.pags"] == "is no setting of this crawler; known are page, most, token (line 3)"
    assert found["notices.page"] == "is missing (line 1)"
    assert found["notices.most"] == "does not fit: Expected `int` <= 100 (line 2)"


@pytest.mark.parametrize("value", ['"sk-live-12345678"', "12345678", '["sk-live-12345678"]', '"file://12345678"'])
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read(f"[notices]\npage = '7'\ntoken = {value}\n", MODELS, MODELS.__getitem__)
    assert "env:NAME or file:PATH (line 3)" in str(caught.value)
    assert "12345678" not in str(caught.value)


def test_two_sources_of_one_name_are_refused() -> None:
    found = errors('[rss]\nfeeds = ["https://a.test/", {name = "https://a.test/", url = "https://b.test/"}]\n')
    assert found == {"rss": "names https://a.test/ more than once; leave one, or give each a name of its own (line 2)"}


def test_an_enabled_section_without_its_crawler_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="twitter: has no crawler that can be loaded; install it, or write enabled"):
        read('[twitter]\naccounts = ["a"]\n', ["twitter"], broken)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty; to watch nothing, write enabled = false into its sections"),
        (" \n", "is empty"),
        ("[rss]\nfeeds = 'a", r"is no TOML: .*\(at "),
        ("[rss]\nfeeds = [\n", "is no TOML"),
        ("a = " + "[" * 5_000 + "]" * 5_000, "is no TOML"),
        ("#" * 1024 * 1024 + "\n#", "is longer than 1024 KiB"),
        ("twitter = 1", "must be a section, like"),
        ("[rss]\nfeeds = [{name = 'x'}]", r"rss\.feeds\[0\]\.url: must be text in quotes"),
        ("[rss]\nfeeds = ['https://user:pw@a.test/']", "is no address"),
        ("[notices]\npage = 2020-01-01", "write dates in quotes"),
        ("[notices]\npage = inf", "must be text, a number"),
        ('[notices]\npage = "a\\u0000b"', "NUL"),
        ("[[notices]]\npage = '7'", r"notices\[0\]\.name: is missing"),
        (f"[[web.pages]]\nname = '{'x' * 201}'\nurl = 'https://a.test/'", "needs a name of up to 200 characters"),
        (f"[rss]\nfeeds = [{','.join(f'{chr(34)}https://a.test/{n}{chr(34)}' for n in range(5_001))}]", "5000 is the"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_remedy(text: str, reason: str) -> None:
    with pytest.raises(InvalidConfig, match=reason):
        read(text, MODELS, MODELS.__getitem__)


# --- whatever is written ---------------------------------------------------------------------------------------------

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["enabled", "interval", "accounts", "channels", "feeds", "pages", "url", "name", "token", "page"]
)


def toml(value: Any) -> str:
    """A value as TOML; None becomes a date, which JSON does not know."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return {None: "1979-05-27", True: "true", False: "false"}.get(value, repr(value)) if value != 0 else "0"


def quoted(text: str) -> str:
    codes = [ord(character) for character in text if not 0xD800 <= ord(character) < 0xE000]
    return '"' + "".join(f"\\U{code:08x}" for code in codes) + '"'


@given(st.dictionaries(st.sampled_from([*MODELS, "other"]), st.dictionaries(keys, values, max_size=4), max_size=3))
def test_any_text_gives_sources_or_errors_that_name_a_key(sections: dict[str, dict[str, Any]]) -> None:
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
        for name, table in sections.items()
    )
    found, refused = outcome(text)
    assert all(error.field or not sections or "TOML" in error.reason for error in refused)
    assert all(spec.name and spec.kind in MODELS and 1 <= spec.interval_seconds <= 604800 for spec in found)
    msgspec.json.encode([spec.config for spec in found])


def outcome(text: str) -> tuple[list[SourceSpec], tuple[InvalidField, ...]]:
    """What a text gives: sources, or errors, and never none of both for a text with sections."""
    try:
        return read(text, MODELS, MODELS.__getitem__), ()
    except InvalidConfig as error:
        return [], error.errors
