"""Settings of a watched page: where its list stands, and what each item says."""

from __future__ import annotations

from typing import Annotated

import msgspec

Selector = Annotated[str, msgspec.Meta(max_length=500)]


class PageConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """CSS selectors, each but `item` looked for inside of an item; `::text` and `::attr(name)` say what is meant, else
    the text of what is found (`link`: its href, `image`: its src, `time`: its datetime, where it has one).

    `item`: one post each. `id`: what stays the same when an item is edited; without it the link, else the words.
    `time_format`: of strptime, for times that are not ISO 8601; `time_zone` is taken where they name none.
    `render`: the page needs JavaScript; `wait_for`: a selector that shows that it is ready. `hosts`: the only hosts
    beside its own that a rendered page may load anything from, `media_hosts` those of pictures; empty: any.
    """

    item: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    title: Selector = ""
    text: Selector = ""
    link: Selector = "a[href]"
    time: Selector = "time"
    image: Selector = ""
    id: Selector = ""
    author: Selector = ""
    time_format: Annotated[str, msgspec.Meta(max_length=100)] = ""
    time_zone: Annotated[str, msgspec.Meta(max_length=50)] = "UTC"
    max_items: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=20 * 1024 * 1024)] = 4 * 1024 * 1024
    render: bool = False
    wait_for: Selector = ""
    time_limit: Annotated[int, msgspec.Meta(ge=2, le=60)] = 25
    hosts: list[str] = []
    media_hosts: list[str] = []
