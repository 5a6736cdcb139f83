"""News that carries its own, old date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.signals.domain.dated import outdated

POSTED = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SYN hacked (May 2021)", "may 2021"),
        ("5 June 2022: exchange lists SYN", "5 june 2022"),
        ("Exchange lists SYN - Dec 14, 2021", "dec 14, 2021"),
        ("SYN listed 2025-11-30", "2025-11-30"),
        ("In 2019 SYN was listed", "in 2019"),
        ("2024年9月 SYN 上线", "2024年9月"),
        ("2023: SYN soars", "2023:"),
    ],
)
def test_an_old_date_is_named(text: str, told: str) -> None:
    assert outdated(text, POSTED) == f"it tells of {told}"


@pytest.mark.parametrize(
    "text",
    [
        "SYN listed 2026-02-20",
        "1 April 2026: exchange lists SYN",
        "Today the exchange lists SYN, after a no in May 2021",
        "SYN has its best month since May 2021",
        "SYN at 2021 USDT, target 2050",
        "2021-40-40 is no day of SYN",
        "SYN 刚刚上线,2024年申请",
    ],
)
def test_news_of_now_is_none(text: str) -> None:
    assert outdated(text, POSTED) == ""
