"""Which language a text is written in, as an ISO 639-1 code or `und`."""

from __future__ import annotations

import functools
import re
from typing import Any

UNKNOWN = "und"
_LATIN_LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "tr", "nl", "id", "vi", "pl", "ro", "sv", "cs")
_SAMPLE = 1_000
_FEW_LETTERS = 12
_LEAD = 8.0
"""By how much (natural log) another language must beat English: posts are short, and mostly English."""

_NOISE = re.compile(r"https?://\S+|[@#$]\w+|\b[A-Z0-9]{2,10}\b")
_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9d]")),
    ("ko", re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")),
    ("uk", re.compile("[\u0404\u0406\u0407\u0454\u0456\u0457\u0490\u0491]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("fa", re.compile("[\u067e\u0686\u0698\u06a9\u06af\u06cc]")),
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
)
_SHARED = (("ja", "zh", 4), ("uk", "ru", 12), ("fa", "ar", 12))
"""One letter of its own in so many decides for the first language, where most letters are shared with the second."""
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_DENSE = 3
"""A Chinese, Japanese or Korean character says about as much as three Latin letters."""


def language(text: str) -> str:
    """ISO 639-1 code of `text`'s main language, by script first; `und` where it has no letters."""
    sample = _NOISE.sub(" ", text[:_SAMPLE])
    latin = len(_LATIN.findall(sample))
    if sample.isascii():
        return _latin(sample, latin) if latin else _of_noise(text)
    counts = {code: len(pattern.findall(sample)) for code, pattern in _SCRIPTS}
    code = _leading_script(counts)
    if counts[code] * (_DENSE if code in {"ja", "ko", "zh"} else 1) > latin:
        return code
    return _latin(sample, latin) if latin else _of_noise(text)


def _leading_script(counts: dict[str, int]) -> str:
    for own, shared, ratio in _SHARED:
        if counts[own] and counts[own] * ratio >= counts[shared]:
            counts[own] += counts.pop(shared)
    return max(counts, key=lambda code: counts[code])


def _of_noise(text: str) -> str:
    return "en" if re.search("[A-Za-z]{2}", text) else UNKNOWN


def _latin(sample: str, letters: int) -> str:
    if letters < _FEW_LETTERS and sample.isascii():
        return "en"
    ranking: list[tuple[str, float]] = _identifier().rank(sample)
    scores = dict(ranking)
    best = ranking[0][0]
    return best if scores[best] - scores["en"] > _LEAD else "en"


@functools.lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)
    identifier.set_languages(list(_LATIN_LANGUAGES))
    return identifier


def warm_up() -> None:
    """Load the language model now, about a second, rather than at the first post."""
    _identifier()
