"""`manage.py evaluate` and `manage.py train`, and a trained folder as an analyzer."""

from __future__ import annotations

import json
import math
import shutil
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from apps.signals.adapters.hashing import places, plain, softmax
from apps.signals.adapters.ngrams import Table, save
from apps.signals.adapters.trained import Folder, Mix, TrainedAnalyzer
from apps.signals.domain.beliefs import WIDTH
from apps.signals.management.commands import evaluate as command
from apps.signals.training import data, goals
from apps.signals.training.corpus import EVENTS, Meant, corpus
from apps.signals.training.evaluation import evaluate, evaluate_folder
from apps.signals.training.extra import Written, extra, written
from apps.signals.training.judging import Bench
from apps.signals.training.reporting import MARKER, write
from apps.sources.domain.near import bands, is_near, simhash
from tests.unit.signals.test_ngrams import BITS
from tradebot.contracts.errors import InvalidField, NotConfigured
from tradebot.contracts.values import Direction

LEARNS = find_spec("sklearn") is not None
TINY = Path(__file__).parent / "tiny_encoders"


def labelled(folder: Path, text: str) -> Path:
    path = folder / "posts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_evaluate_tells_the_figures_of_each_analyzer(tmp_path: Path) -> None:
    path = labelled(
        tmp_path, "text,label\nloading up buy the dip,up\nget out now sell it all,down\nwhat is gas?,flat\n"
    )
    out = StringIO()
    call_command("evaluate", path, "--labels", "down,flat,up", "--json", stdout=out)
    (found,) = json.loads(out.getvalue())["sets"]
    assert found["rows"] == 3
    assert {"ensemble", "rules", "minilm", "ngrams"} <= found["direction"].keys()
    assert sum(map(sum, found["direction"]["ensemble"]["confusion"])) == 3
    assert found["speed"]["all"] > 0


@pytest.mark.parametrize(
    ("text", "labels", "reason"),
    [
        ("text,label\nhello,2\n", "-1,0,1", "posts.csv, line 2: '2' is none of -1, 0, 1"),
        ("text,mark\nhello,1\n", "-1,0,1", "no column label"),
        ("text,label\n", "-1,0,1", "holds no rows"),
        ("text,label\nhello,1\n", "down,up", "three different labels"),
        ("text,label\nhello,1\n", "a,a,b", "three different labels"),
    ],
)
def test_what_is_wrong_with_the_data_is_told(tmp_path: Path, text: str, labels: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("evaluate", labelled(tmp_path, text), f"--labels={labels}")


def test_posts_of_a_file_are_cleaned_as_those_of_the_pipeline_are(tmp_path: Path) -> None:
    (row,) = data.read(labelled(tmp_path, "text,label\n<p>Q&amp;A:\u200b  buy</p>,1\n"))
    assert row.text == "Q&A: buy"


def test_a_file_that_is_absent_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="can't be read"):
        data.read(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"text,label\n\xff\xfe,1\n")
    with pytest.raises(InvalidField, match="can't be read"):
        data.read(tmp_path / "bytes.csv")


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2\t-\tclaim\tBTC\t-\tup only", "direction"),
        ("1\tparty\tclaim\tBTC\t-\tup only", "event"),
        ("1\t-\tshout\tBTC\t-\tup only", "mood"),
        ("1\t-\tclaim\tbtc\t-\tup only", "coins"),
        ("1\t-\tclaim\tBTC\tyes\tup only", "manipulates"),
        ("1\t-\tclaim\tBTC\t-\t ", "text"),
        ("1\t-\tclaim\tBTC\tup only", "5 columns"),
    ],
)
def test_a_line_that_is_no_training_post_is_named(line: str, column: str) -> None:
    with pytest.raises(ValueError, match=f"here: .*{column}"):
        written(line, "here")


def test_a_training_post_holds_what_is_known_of_it() -> None:
    assert written("-1\thack\treport\tBTC,ETH\tm\tone\\ntwo", "") == Written(
        "one\ntwo", -1, "hack", "report", ("BTC", "ETH"), True
    )
    assert written("0\t?\t?\t?\t?\tgm", "") == Written("gm", 0)
    assert written("0\t-\tclaim\t-\t-\tgm", "").event == ""


def test_the_posts_for_training_alone_are_of_every_kind() -> None:
    more = extra()
    assert {row.direction for row in more} == {-1, 0, 1}
    assert {row.event for row in more if row.event} == set(EVENTS)
    assert {row.mood for row in more if row.mood} == {each.value for each in Meant}


def test_no_post_for_training_is_like_a_held_one() -> None:
    known: dict[int, list[int]] = {}
    for post in corpus():
        if post.held and (mark := simhash(post.text)) is not None:
            for band in bands(mark):
                known.setdefault(band, []).append(mark)
    held = {post.text for post in corpus() if post.held}
    like = [
        row.text
        for row in extra()
        if row.text in held
        or (
            (mark := simhash(row.text)) is not None
            and any(is_near(mark, other) for band in bands(mark) for other in known.get(band, ()))
        )
    ]
    assert like == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As `train` writes one: n-grams alone, which know one word a direction."""
    made = tmp_path / "made"
    made.mkdir()
    weights = np.zeros((2**BITS, 3), dtype=np.float32)
    for at, word in enumerate(("sell", "wait", "buy")):
        weights[np.unique(places(plain(word), BITS)), at] = 3.0
    rare, bias = np.ones(2**BITS, dtype=np.float32), np.zeros(3, dtype=np.float32)
    save(Table(BITS, rare, weights, bias), made / "ngrams.npz")
    told = {"format": 1, "shares": {"ngrams": 1.0}, "lift": [0, 0, 0], "tokens": 0, "rows": 3, "made": "abc"}
    (made / "model.json").write_text(json.dumps(told))
    return made


def test_a_trained_folder_is_an_analyzer(folder: Path) -> None:
    analyzer = TrainedAnalyzer({"path": str(folder), "weight": 0.2})
    said = [analyzer.analyze(text, []) for text in ("buy", "sell")]
    assert [each.type for each in said] == [Direction.BULLISH, Direction.BEARISH]
    assert said[0].evidence[0].quote == "buy"
    assert (analyzer.version, analyzer.weight) == ("trained-abc", 0.2)


def test_without_a_folder_or_with_another_it_is_not_configured(folder: Path) -> None:
    with pytest.raises(NotConfigured, match="no folder"):
        TrainedAnalyzer({})
    (folder / "model.json").write_text('{"format": 3}')
    with pytest.raises(NotConfigured, match="train again"):
        TrainedAnalyzer({"path": str(folder)})


class TestEncodersOfAFolder:
    """n-grams, an encoder and a second one; what each knows stands in tiny_encoders/make.py."""

    @pytest.fixture
    def both(self, folder: Path) -> Path:
        for file in ("encoder.onnx", "tokenizer.json", "second.onnx", "second.tokenizer.json"):
            shutil.copy(TINY / file, folder / file)
        _told(folder, format=2, shares={"ngrams": 1.0, "encoder": 1.0, "second": 0.5}, tokens=8)
        return folder

    def test_each_has_its_share(self, both: Path) -> None:
        (found,) = Folder(both).probabilities(["sell sell moon buy"])
        logits = np.array([[4, 0, 2], [6, 0, 3]])
        logs = [math.log(each) for each in Folder(both).table.probabilities(["sell sell moon buy"])[0]]
        right = softmax((np.array(logs) + logits[0] + 0.5 * logits[1])[None].astype(np.float32))[0]
        assert found == pytest.approx(right, abs=1e-5)

    def test_the_second_says_what_no_other_knows(self, both: Path) -> None:
        up = TrainedAnalyzer({"path": str(both)}).analyze("moon", [])
        assert up.type is Direction.BULLISH
        assert up.confidence == pytest.approx(math.exp(1.5) / (2 + math.exp(1.5)), abs=1e-4)

    def test_many_texts_are_read_as_each_alone(self, both: Path) -> None:
        texts = ["moon", "sell", "wait", "buy", "nothing"] * 5
        alone = np.concatenate([Folder(both).probabilities([text]) for text in texts])
        assert Folder(both).probabilities(texts) == pytest.approx(alone, abs=1e-6)

    def test_an_older_folder_with_one_encoder_still_runs(self, both: Path) -> None:
        for file in ("second.onnx", "second.tokenizer.json"):
            (both / file).unlink()
        _told(both, format=1, shares={"ngrams": 1.0, "encoder": 1.0}, tokens=8)
        assert TrainedAnalyzer({"path": str(both)}).analyze("buy", []).type is Direction.BULLISH


def _told(folder: Path, **told: object) -> None:
    before = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**before, **told}))


def test_a_mix_weighs_its_parts_and_lifts_classes() -> None:
    parts = {"one": np.array([[0.6, 0.2, 0.2]], np.float32), "two": np.array([[0.2, 0.2, 0.6]], np.float32)}
    assert Mix({"one": 2.0, "two": 1.0}, (0, 0, 0)).of(parts)[0].argmax() == 0
    assert Mix({"one": 1.0, "two": 2.0}, (0, 0, 0)).of(parts)[0].argmax() == 2
    assert Mix({"one": 2.0, "two": 1.0}, (0, 5, 0)).of(parts)[0].argmax() == 1


class Meaningless:
    """Stands for MiniLM where only the words count, and is never in doubt."""

    version = "meaningless"

    def embed(self, texts: list[str]) -> np.ndarray:
        return np.tile(np.eye(1, 384, dtype=np.float32), (len(texts), 1))

    def read(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        return self.embed(texts), np.ones((len(texts), WIDTH), dtype=np.float32)


def test_a_report_keeps_what_was_written_by_hand(folder: Path, tmp_path: Path) -> None:
    bench = Bench([TrainedAnalyzer({"path": str(folder)})], Meaningless())  # type: ignore[arg-type]
    rows = [data.Labelled("buy", 1, held=True), data.Labelled("sell", -1, held=True)]
    found, page = [evaluate(bench, rows, goals.CRYPTO)], tmp_path / "accuracy.md"
    write(found, page)
    page.write_text(page.read_text() + "\nMistakes are mostly jokes.\n")
    for _ in range(2):
        write(found, page)
    assert page.read_text().count(MARKER) == 1
    assert page.read_text().endswith(f"{MARKER}\n\nMistakes are mostly jokes.\n")
    assert "| crypto_posts, all (never trained on) | direction, macro-F1 | ≥ 52 | 100.0 | yes |" in page.read_text()


def test_what_a_trained_folder_reaches_stands_in_the_report(folder: Path, tmp_path: Path) -> None:
    rows = [data.Labelled(text, label, held=True) for text, label in (("sell", -1), ("wait", 0), ("buy", 1))]
    found = evaluate_folder(Folder(folder), rows, goals.TRAINED_CHINESE)
    page = tmp_path / "accuracy.md"
    write([found], page)
    assert (
        "| finfe_zh, held fifth, trained on the rest | direction, macro-F1 | ≥ 70 | 100.0 | yes |" in page.read_text()
    )


def test_evaluate_measures_the_folders_that_are_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, made = tmp_path / "shared" / "labelled" / "finfe_zh", tmp_path / "models"
    shared.mkdir(parents=True)
    texts = [f"buy {at}" for at in range(40)]
    held = [text for text in texts if data.held(text)]
    (shared / "posts.csv").write_text("text,label\n" + "".join(f"{text},1\n" for text in texts), encoding="utf-8")
    made.mkdir()
    folder.rename(made / "finfe_zh")
    monkeypatch.setattr(command, "FOLDERS", made)
    (measured,) = command.trained(tmp_path / "shared")
    assert (measured.name, measured.rows) == (goals.TRAINED_CHINESE, len(held))
    assert measured.direction["ensemble"].accuracy == 1.0


@pytest.mark.skipif(LEARNS, reason="scikit-learn is installed")
def test_train_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"pip install -r requirements/train\.txt"):
        call_command("train", labelled(tmp_path, "text,label\nbuy,1\n"))


@pytest.mark.skipif(not LEARNS, reason="scikit-learn is not installed (requirements/train.txt)")
def test_train_makes_a_folder_that_runs(tmp_path: Path) -> None:
    words = {1: "buy the dip now, going up", -1: "sell it all, going down", 0: "what is the fee for this"}
    lines = [f'"{text}, reason {at} of many",{label}' for at in range(40) for label, text in words.items()]
    path = labelled(tmp_path, "text,label\n" + "\n".join(lines) + "\n")
    call_command("train", path, "--out", tmp_path / "mine", "--no-encoder", stdout=StringIO())
    assert {"report.md", "report.json", "reliability.svg"} <= {each.name for each in (tmp_path / "mine").iterdir()}
    assert json.loads((tmp_path / "mine" / "report.json").read_text())["macro_f1"] == 1.0
    said = TrainedAnalyzer({"path": str(tmp_path / "mine")}).analyze("sell it all, going down", [])
    assert said.type is Direction.BEARISH
