"""The OCR process: what a hostile picture costs, and that it takes nothing along."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from apps.sources.adapters.ocr.process import Limits, Reader
from tests.apps.sources.pictures import encoded, plain, png_that_claims, screenshot
from tradebot.contracts.errors import NotConfigured

ENOUGH = Limits(seconds=60, memory_mib=200)


def text_of(reader: Reader, words: str = "Sample coin listed") -> str:
    (seen,) = reader.read([screenshot([words])])
    return seen.reading.text


def made_reader(limits: Limits) -> Iterator[Reader]:
    reader = Reader("tesseract", 1, limits)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    yield from made_reader(ENOUGH)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_bad_pictures_are_refused_one_by_one_and_the_process_lives_on(reader: Reader) -> None:
    process = reader.ready() and reader.pid

    seen = reader.read([b"<svg/>", plain(), png_that_claims(8_000, 8_000), plain()[:40], screenshot(["Sample"])])

    assert ["SVG" in seen[0].error, seen[1].error, "pixels" in seen[2].error, "broken" in seen[3].error] == [
        True,
        "",
        True,
        True,
    ]
    assert [(each.content_type, each.width, each.height) for each in seen[:3]] == [
        ("", 0, 0),
        ("image/png", 20, 10),
        ("", 0, 0),
    ]
    assert (seen[4].reading.text, seen[4].error) == ("Sample", "")
    assert reader.pid == process


def test_what_needs_too_much_memory_is_refused_and_the_process_lives_on(reader: Reader) -> None:
    process = reader.ready() and reader.pid

    (seen,) = reader.read([encoded(Image.new("1", (6_300, 6_300)), "PNG")])

    assert "OCR_MEMORY_MIB" in seen.error
    assert text_of(reader) == "Sample coin listed"
    assert reader.pid == process


def test_what_takes_too_long_is_refused_and_all_that_read_it_is_killed() -> None:
    for reader in made_reader(Limits(seconds=5, memory_mib=200)):
        reader.ready()
        process = reader.pid
        assert process
        os.kill(process, signal.SIGSTOP)

        refused, sound = reader.read([screenshot(["Never read"]), screenshot(["Sample coin listed"])])

        assert refused.error == "takes longer than 5 s to read"
        assert sound.reading.text == "Sample coin listed"
        assert not alive(process)


def test_a_process_that_died_is_replaced(reader: Reader) -> None:
    reader.ready()
    process = reader.pid
    assert process
    os.kill(process, signal.SIGKILL)

    assert text_of(reader) == "Sample coin listed"
    assert reader.pid != process


def test_it_is_told_none_of_our_secrets(reader: Reader) -> None:
    reader.ready()

    told = Path(f"/proc/{reader.pid}/environ").read_bytes()

    assert b"SECRET_KEY" not in told
    assert b"DATABASE_URL" not in told
    assert os.environ["DATABASE_URL"].encode() not in told


def test_it_ends_with_its_parent(reader: Reader) -> None:
    reader.ready()
    process = reader.pid
    assert process
    handle = os.pidfd_open(process)

    reader._line.close()  # type: ignore[union-attr]

    assert os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOWAIT)
    os.close(handle)


def test_without_tesseract_it_says_so_and_reads_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reader = Reader("auto", 1, Limits(seconds=60, memory_mib=400))

    assert "tesseract is not installed" in reader.ready().note
    assert text_of(reader) == "Sample coin listed"
    with pytest.raises(NotConfigured, match="tesseract is not installed"):
        Reader("tesseract", 1, ENOUGH).ready()
    reader.close()
