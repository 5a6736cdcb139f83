"""Turns a post's raw text into plain, visible, normalised text."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

from lxml import etree
from lxml import html as lxml_html

RAW_LIMIT = 100_000
"""Characters of raw text that are read and kept."""
CLEAN_LIMIT = 20_000
"""Characters of clean text that go on to the models."""

# A known name and then its end or an attribute: "a <b and c> d" is arithmetic.
_TAG = re.compile(
    r"</?(?:a|article|b|blockquote|body|br|center|code|del|div|em|figure|font|h[1-6]|hr|html|i|img|ins|li|ol|p|pre|s"
    r"|script|section|small|span|strong|style|sub|sup|svg|table|tbody|td|tg-emoji|th|tr|u|ul|video)"
    r"(?:\s*/?>|\s+[a-z:-]+\s*=)|<!--|<!\[CDATA\[",
    re.IGNORECASE,
)
_BLOCK = frozenset({
    "article", "blockquote", "br", "div", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "section", "table", "tbody", "tr", "ul",
})  # fmt: skip
_SILENT = frozenset({"head", "math", "noscript", "object", "script", "style", "svg", "template", "title"})
# What a style says of text that no reader sees: words for machines only.
_UNSEEN = re.compile(
    r"(?<![\w-])(?:display:none|visibility:(?:hidden|collapse)|color:transparent|(?:left|right|top|text-indent):-\d{3,}"
    r"|opacity:0?(?:\.0+)?(?=[;!]|$)|font-size:0?(?:\.0+)?(?:[a-z]+|%)?(?=[;!]|$))"
)
_IN_STYLES = re.compile(r"\s+|/\*.*?\*/", re.DOTALL)

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), bidi controls, tags, fillers and Braille blank:
# they show nothing, and can carry words that only a machine reads.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_GAPS = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
_STACKED_MARKS = re.compile(f"({_MARK}{{2}}){_MARK}+")


def clean(raw: str) -> str:
    """Plain text of `raw` (which may be HTML): tags and entities resolved, NFKC, nothing invisible, at most one empty
    line in a row, at most CLEAN_LIMIT characters."""
    text = storable(raw)
    if "<" in text and _TAG.search(text):
        text = _strip_tags(text)
    elif "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found.group()), text)
    return visible(text)[:CLEAN_LIMIT].rstrip()


def storable(text: str) -> str:
    """`text` as a database can hold it: no NUL, no other control character but tab and line ends, no half surrogate;
    at most RAW_LIMIT characters."""
    return _CONTROL.sub("", text[:RAW_LIMIT])


def visible(text: str) -> str:
    """`text` as a reader sees it: NFKC, without invisible and control characters, blanks and empty lines folded."""
    # Invisible characters go before NFKC, so that they can't keep two halves of a word apart, and again after it,
    # because NFKC maps some characters onto them.
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
        text = _STACKED_MARKS.sub(r"\1", text)
    text = _CONTROL.sub("", _LINE_END.sub("\n", text))
    text = _GAPS.sub("\n", _BLANKS.sub(" ", text))
    return _EMPTY_LINES.sub("\n\n", text).strip()


def _strip_tags(markup: str) -> str:
    parser = lxml_html.HTMLParser(remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    try:
        root = lxml_html.document_fromstring(markup, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return ""
    pieces: list[str] = []
    _collect(root, pieces)
    return "".join(pieces)


def _collect(root: Any, pieces: list[str]) -> None:
    silent: Any = None
    for event, node in etree.iterwalk(root, events=("start", "end")):
        if event == "start" and silent is None:
            silent = _open(node, pieces)
        elif event == "end":
            silent = _close(node, silent, pieces)


def _open(node: Any, pieces: list[str]) -> Any:
    if node.tag in _SILENT or _unseen(node):
        return node
    if node.tag in _BLOCK:
        pieces.append("\n")
    pieces.append(node.text or "")
    return None


def _unseen(node: Any) -> bool:
    if "hidden" in node.attrib:
        return True
    style = node.get("style")
    return bool(style) and bool(_UNSEEN.search(_IN_STYLES.sub("", style.lower())))


def _close(node: Any, silent: Any, pieces: list[str]) -> Any:
    if silent is not None and node is not silent:
        return silent
    if silent is None and node.tag in _BLOCK and node.tag != "br":
        pieces.append("\n")
    pieces.append(node.tail or "")
    return None
