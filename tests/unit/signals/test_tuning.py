"""Fine-tuning, and what `manage.py train` makes of it (PyTorch; where requirements/train.txt is installed)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402 - it needs PyTorch

from apps.signals.adapters.trained import Folder  # noqa: E402
from apps.signals.training import trainer, tuning  # noqa: E402
from apps.signals.training.data import Labelled  # noqa: E402

WORDS = {"[UNK]": 0, "buy": 1, "sell": 2, "wait": 3, "now": 4}
TEXTS = ["buy now", "sell now", "wait now", "buy", "sell", "wait"] * 4
TASK = tuning.Task(0, 3, [2, 0, 1, 2, 0, 1] * 4, [1.0] * 24)
PLAN = tuning.Plan(frozen=1, epochs=4, batch=6, rate=1e-3, shift=0.0)


@pytest.fixture(scope="module")
def lower() -> tuning.Lower:
    torch.manual_seed(1)
    shape: dict[str, Any] = {"hidden_size": tuning.WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = BertModel(
        BertConfig(vocab_size=len(WORDS), intermediate_size=32, attn_implementation="eager", **shape),
        add_pooling_layer=False,
    )
    splitter = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    splitter.pre_tokenizer = pre_tokenizers.Whitespace()
    return tuning.Lower(PLAN, tuning.Start(model.eval(), splitter))


def learned(lower: tuning.Lower, plan: tuning.Plan) -> dict[str, Any]:
    return dict(tuning.fit(lower, lower.states(TEXTS), [TASK], plan).state_dict())


def test_it_learns_what_the_words_mean(lower: tuning.Lower) -> None:
    states = lower.states(TEXTS)
    said = tuning.logits(tuning.fit(lower, states, [TASK], PLAN), states).argmax(1)
    assert said.tolist() == list(TASK.labels)


def test_several_runs_are_averaged(lower: tuning.Lower) -> None:
    one, other = learned(lower, PLAN), learned(lower, replace(PLAN, seed=PLAN.seed + 1))
    both = learned(lower, replace(PLAN, runs=2))
    assert not torch.allclose(one["head.weight"], other["head.weight"], atol=1e-4)
    for name, weights in both.items():
        assert torch.allclose(weights, (one[name] + other[name]) / 2, atol=1e-4), name


def test_states_are_moved_along_the_slope_by_a_share_of_their_length() -> None:
    rows, mask = tuning.padded([torch.ones(2, tuning.WIDTH), torch.full((1, tuning.WIDTH), 3.0)])
    slope = torch.zeros_like(rows)
    slope[0, 0, 0], slope[1, 0, 5] = 4.0, -0.01
    moved = tuning.shifted(rows, mask, slope, 0.1) - rows
    assert moved[0, 0, 0].item() == pytest.approx(0.1 * (2 * tuning.WIDTH) ** 0.5, rel=1e-4)
    assert moved[1, 0, 5].item() == pytest.approx(-0.1 * (9 * tuning.WIDTH) ** 0.5, rel=1e-4)
    assert torch.count_nonzero(moved) == 2
    assert torch.equal(tuning.shifted(rows, mask, torch.zeros_like(rows), 0.1), rows)


def test_what_was_learned_from_moved_states_stands_a_harder_push(lower: tuning.Lower) -> None:
    plan = replace(PLAN, epochs=8, dropout=0.0)
    used_to_it = tuning.fit(lower, lower.states(TEXTS), [TASK], replace(plan, shift=0.3))
    assert pushed(lower, used_to_it) < pushed(lower, tuning.fit(lower, lower.states(TEXTS), [TASK], plan))


def pushed(lower: tuning.Lower, model: tuning.Upper) -> float:
    """What a model loses where its texts' states are moved by a third to where it reads them worst."""
    rows, mask = tuning.padded(lower.states(TEXTS))
    rows.requires_grad_()
    right = torch.tensor(TASK.labels)
    torch.nn.functional.cross_entropy(model.head(model.pooled(rows, mask)), right).backward()
    worst = tuning.shifted(rows.detach(), mask, rows.grad, 0.3)
    return torch.nn.functional.cross_entropy(model.head(model.pooled(worst, mask)), right).item()


@pytest.mark.parametrize(("text", "parts"), [
    ("{} the dip, reason {}", {"ngrams", "encoder", "second"}),
    ("{} 比特币，理由 {}", {"ngrams", "encoder"}),
])  # fmt: skip
def test_train_takes_the_encoders_that_can_read_the_posts(tmp_path: Path, text: str, parts: set[str]) -> None:
    words = {-1: ("sell", "卖出"), 0: ("skip", "观望"), 1: ("buy", "买入")}
    chosen = "比特币" in text
    rows = [
        Labelled(text.format(said[chosen], at), label, held=at % 5 == 1)
        for at in range(20)
        for label, said in words.items()
    ]
    told: list[str] = []
    plan = tuning.Plan(frozen=5, epochs=2, runs=2)
    made = trainer.train(
        rows, tmp_path, plan=plan, told=lambda step, done, total: told.append(f"{step} {done}/{total}")
    )
    assert set(made.parts) == parts == set(json.loads((tmp_path / "model.json").read_text())["shares"])
    assert made.held.accuracy == 1.0
    found = Folder(tmp_path).probabilities([row.text for row in rows])
    assert np.mean(found.argmax(1) - 1 == [row.label for row in rows]) > 0.95
    assert [step for step in told if step.startswith("fine-tuning") and len(set(step.split()[-1].split("/"))) == 1]


def test_each_row_of_the_tenth_is_judged_by_the_one_run_that_left_it_away(
    lower: tuning.Lower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every run answers with its own number, so that the answers tell who gave them."""
    seen: list[list[int]] = []

    def fit(_: tuning.Lower, states: list[Any], *__: Any, **___: Any) -> int:
        seen.append(sorted(id(each) for each in states))
        return len(seen) - 1

    def logits(run: int, states: list[Any]) -> tuning.Matrix:
        assert not {id(each) for each in states} & set(seen[run])
        return np.tile(np.eye(3, dtype=np.float32)[run] * 50, (len(states), 1))

    monkeypatch.setattr(tuning, "fit", fit)
    monkeypatch.setattr(tuning, "logits", logits)
    monkeypatch.setattr(tuning, "averaged", lambda made: made)
    monkeypatch.setattr(tuning, "export", lambda *_: None)
    monkeypatch.setattr(tuning, "Lower", lambda *_: lower)
    rows = [Labelled(text, label - 1, held=False) for text, label in zip(TEXTS, TASK.labels, strict=True)]
    away = np.array([trainer.SEEN, 0, 1, 2] * 6)
    plan = replace(PLAN, runs=3)
    encoders = trainer._Encoders(rows, away, tmp_path, plan, lambda *_: None)
    found = encoders._trained("encoder", tuning.Start(None, None), plan, "")
    assert found.argmax(1).tolist() == [0, 1, 2] * 6
    assert [len(each) for each in seen] == [18, 18, 18]
    assert len(set(seen[0]) | set(seen[1]) | set(seen[2])) == len(TEXTS)
