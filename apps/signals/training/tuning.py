"""Fine-tunes the upper layers of an encoder for one question or several at once (PyTorch; requirements/train.txt)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import AutoModel

from apps.signals.adapters.embedder import TOKENIZER, WEIGHTS, tokenizer
from apps.signals.training.export import packaged_model, small
from apps.signals.training.smoothing import Sample

WIDTH = 384
SEED = 42
SAMPLES = 400
"""How many texts tell how wide the channels of an encoder are."""
Matrix = NDArray[np.float32]
Progress = Callable[[int], None]
"""Told how many texts were done since the last call."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. `frozen`: layers from the bottom that stay as they are (None: a third of all); their output is
    computed once a text."""

    frozen: int | None = None
    epochs: int = 4
    batch: int = 32
    rate: float = 1e-4
    head_rate: float = 1e-3
    warmup: float = 0.1
    decay: float = 0.01
    dropout: float = 0.1
    tokens: int = 80
    seed: int = SEED
    runs: int = 1
    """How often to train from the same start, in another order each; the weights are averaged (Wortsman et al., Model
    soups, 2022)."""
    keep: float = 10.0
    """What the vector's distance (1 - cosine) from the one before training counts, where it is to be kept."""
    shift: float = 0.02
    """How far, by their length, a text's states are moved to where they are worst read, to be learned from once more
    (Miyato et al., Adversarial training methods for semi-supervised text classification, 2017). It doubles the time."""


@dataclass(frozen=True, slots=True)
class Task:
    """One question, answered by columns `start` to `stop` of the head. `labels`: the right one of them for each row,
    counted from `start`, -1 where nobody knows; `weights`: what a row counts; `share`: what the question counts."""

    start: int
    stop: int
    labels: Sequence[int]
    weights: Sequence[float]
    share: float = 1.0
    smoothing: float = 0.05


class Upper(nn.Module):  # type: ignore[misc]
    """The trained part: upper encoder layers, mean pooling, a linear layer to the logits of all questions, and one that
    gives the vector as it was before training."""

    def __init__(self, layers: nn.ModuleList, dropout: float, columns: int) -> None:
        super().__init__()
        self.layers = layers
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(WIDTH, columns)
        self.kept = nn.Linear(WIDTH, WIDTH, bias=False)
        nn.init.eye_(self.kept.weight)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`states` (batch, length, 384), `mask` (batch, length) of 0 and 1; returns (batch, columns)."""
        return self.head(self.drop(self.pooled(states, mask)))

    def pooled(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, 384): the mean over the tokens of a text."""
        return _mean(_through(self.layers, states, mask), mask)

    def vector(self, pooled: torch.Tensor) -> torch.Tensor:
        """Rows of length 1."""
        return functional.normalize(self.kept(pooled), dim=1)


def _through(layers: Iterable[nn.Module], states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    hidden = (1.0 - mask[:, None, None, :].to(states.dtype)) * torch.finfo(states.dtype).min
    for layer in layers:
        states = first(layer(states, hidden))
    return states


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def first(output: Any) -> torch.Tensor:
    """A layer's states, which some versions of transformers return in a tuple."""
    return output[0] if isinstance(output, tuple) else output


@dataclass(frozen=True, slots=True)
class Start:
    """An encoder to train on, and what splits texts for it."""

    model: Any
    tokenizer: Tokenizer


def minilm() -> Start:
    """The packaged MiniLM, with the shipped tokenizer."""
    model = AutoModel.from_pretrained(packaged_model(), attn_implementation="eager").eval()
    return Start(model, tokenizer(WEIGHTS / TOKENIZER))


class Lower:
    """The frozen part: texts to the states that the trained layers start from."""

    def __init__(self, plan: Plan, start: Start | None = None) -> None:
        given = start or minilm()
        self.model = given.model
        layers = self.model.encoder.layer
        frozen = len(layers) // 3 if plan.frozen is None else min(plan.frozen, len(layers) - 1)
        self.upper = copy.deepcopy(layers[frozen:])
        self._layers = layers[:frozen]
        self._tokenizer = given.tokenizer
        self._tokenizer.enable_truncation(plan.tokens)
        self._tokenizer.no_padding()

    def samples(self, texts: Sequence[str]) -> list[Sample]:
        """What an exported model reads of some of the texts."""
        some = self._tokenizer.encode_batch_fast(list(texts[:: math.ceil(len(texts) / SAMPLES)]))
        rows = [np.array([each.ids]) for each in some]
        return [{"input_ids": ids, "attention_mask": np.ones_like(ids)} for ids in rows]

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def states(self, texts: Sequence[str], told: Progress = lambda _: None, batch: int = 32) -> list[torch.Tensor]:
        """One (length, 384) half-precision tensor a text."""
        encoded = [each.ids for each in self._tokenizer.encode_batch_fast(list(texts))]
        found: list[torch.Tensor] = [torch.empty(0)] * len(encoded)
        order = sorted(range(len(encoded)), key=lambda at: len(encoded[at]))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            for at, states in zip(chosen, self._run([encoded[at] for at in chosen]), strict=True):
                found[at] = states
            told(len(chosen))
        return found

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def vectors(self, states: Sequence[torch.Tensor], told: Progress = lambda _: None, batch: int = 64) -> torch.Tensor:
        """(len(states), 384), rows of length 1: what the model says of the texts before any training."""
        found = torch.empty(len(states), WIDTH)
        for chosen in by_length(states, batch):
            rows, mask = padded([states[at] for at in chosen])
            found[chosen] = functional.normalize(_mean(_through(self.upper, rows, mask), mask), dim=1)
            told(len(chosen))
        return found

    def _run(self, ids: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        longest = max(map(len, ids))
        padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        states = self.model.embeddings(input_ids=padded, token_type_ids=torch.zeros_like(padded))
        states = _through(self._layers, states, mask)
        return [states[at, : len(row)].half().clone() for at, row in enumerate(ids)]


def fit(
    lower: Lower,
    states: Sequence[torch.Tensor],
    tasks: Sequence[Task],
    plan: Plan,
    *,
    vectors: torch.Tensor | None = None,
    told: Progress = lambda _: None,
) -> Upper:
    """Train on states of `Lower.states`, so that the texts' `vectors` stay what they are. AdamW, linear warm-up and
    decay; in bfloat16 where the processor multiplies it."""
    return averaged([_once(lower, states, tasks, each, vectors=vectors, told=told) for each in orders(plan)])


def orders(plan: Plan) -> list[Plan]:
    """One plan for each run of a plan."""
    return [replace(plan, seed=plan.seed + run, runs=1) for run in range(plan.runs)]


def averaged(made: Sequence[Upper]) -> Upper:
    """One model with the mean weights of several that were trained from the same start."""
    found = copy.deepcopy(made[0])
    states = [each.state_dict() for each in made]
    found.load_state_dict({name: torch.stack([each[name] for each in states]).mean(0) for name in states[0]})
    found.eval()
    return found


def _once(
    lower: Lower,
    states: Sequence[torch.Tensor],
    tasks: Sequence[Task],
    plan: Plan,
    *,
    vectors: torch.Tensor | None,
    told: Progress,
) -> Upper:
    torch.manual_seed(SEED)
    model = Upper(copy.deepcopy(lower.upper), plan.dropout, max(task.stop for task in tasks))
    torch.manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(
        [
            {"params": model.layers.parameters(), "lr": plan.rate},
            {"params": [*model.head.parameters(), *model.kept.parameters()], "lr": plan.head_rate},
        ],
        weight_decay=plan.decay,
    )
    steps = plan.epochs * math.ceil(len(states) / plan.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _factor(step / steps, plan.warmup))
    losses = [_Loss(task) for task in tasks]
    model.train()
    for chosen in _batches(states, plan):
        rows, mask = padded([states[at] for at in chosen])
        rows.requires_grad_(plan.shift > 0)
        pooled = _pooled(model, rows, mask)
        loss = _sum(losses, model, pooled, chosen)
        if vectors is not None:
            loss = loss + plan.keep * (1 - (model.vector(pooled) * vectors[chosen]).sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        if rows.grad is not None:
            worst = shifted(rows.detach(), mask, rows.grad, plan.shift)
            _sum(losses, model, _pooled(model, worst, mask), chosen).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        told(len(chosen))
    return model


def _pooled(model: Upper, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=short_floats()):
        found = model.pooled(rows, mask)
    return found.float()


def _sum(losses: Sequence[_Loss], model: Upper, pooled: torch.Tensor, chosen: list[int]) -> torch.Tensor:
    """What all questions lose on a batch."""
    scores = model.head(model.drop(pooled))
    return torch.stack([each(scores, chosen) for each in losses]).sum()


def shifted(rows: torch.Tensor, mask: torch.Tensor, slope: torch.Tensor, by: float) -> torch.Tensor:
    """States (batch, length, 384) moved along `slope`, each text by a share of the length of its own states."""
    length = (rows * mask[..., None]).flatten(1).norm(dim=1)
    steepness = slope.flatten(1).norm(dim=1).clamp(min=1e-12)
    return rows + slope * (by * length / steepness)[:, None, None]


def short_floats() -> bool:
    """Whether this processor multiplies bfloat16, which nearly halves the time of training."""
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


class _Loss:
    """Cross entropy of one question over the rows of a batch that have its label."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._labels = torch.tensor(task.labels)
        self._weights = torch.tensor(task.weights, dtype=torch.float32) * (self._labels >= 0)
        self._entropy = nn.CrossEntropyLoss(reduction="none", label_smoothing=task.smoothing, ignore_index=-1)

    def __call__(self, scores: torch.Tensor, chosen: list[int]) -> torch.Tensor:
        found = self._entropy(scores[:, self._task.start : self._task.stop], self._labels[chosen])
        return self._task.share * (found * self._weights[chosen]).mean()


@torch.no_grad()  # type: ignore[untyped-decorator]
def logits(model: Upper, states: Sequence[torch.Tensor], batch: int = 64) -> Matrix:
    """Shape (len(states), columns)."""
    found = np.zeros((len(states), model.head.out_features), dtype=np.float32)
    for chosen in by_length(states, batch):
        found[chosen] = model(*padded([states[at] for at in chosen])).numpy()
    return found


@torch.no_grad()  # type: ignore[untyped-decorator]
def kept(lower: Lower, model: Upper, states: Sequence[torch.Tensor], batch: int = 64) -> float:
    """The mean cosine between the vectors that texts had and have."""
    before, found = lower.vectors(states), []
    for chosen in by_length(states, batch):
        after = model.vector(model.pooled(*padded([states[at] for at in chosen])))
        found.append((after * before[chosen]).sum(1))
    return float(torch.cat(found).mean())


def by_length(states: Sequence[torch.Tensor], batch: int) -> Iterator[list[int]]:
    """Places of texts, those of like length together."""
    order = sorted(range(len(states)), key=lambda at: len(states[at]))
    for start in range(0, len(order), batch):
        yield order[start : start + batch]


def padded(states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """States of several texts as one tensor (batch, longest, 384), and their mask."""
    longest = max(len(each) for each in states)
    whole = torch.zeros(len(states), longest, WIDTH)
    mask = torch.zeros(len(states), longest)
    for at, each in enumerate(states):
        whole[at, : len(each)] = each.float()
        mask[at, : len(each)] = 1
    return whole, mask


class Whole(nn.Module):  # type: ignore[misc]
    """Frozen and trained layers in one model: ids and mask to logits."""

    def __init__(self, lower: Lower, upper: Upper) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(lower.model)
        kept = len(self.encoder.encoder.layer) - len(upper.layers)
        self.encoder.encoder.layer = nn.ModuleList([*self.encoder.encoder.layer[:kept], *upper.layers])
        self.head = upper.head

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.head(self.pooled(input_ids, attention_mask))

    def pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(batch, 384): the mean over the tokens of a text."""
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=torch.zeros_like(input_ids)
        ).last_hidden_state
        return _mean(states, attention_mask)


def export(lower: Lower, upper: Upper, target: Path, texts: Sequence[str]) -> None:
    """`input_ids`, `attention_mask` → `logits` (N, 3), fused and int8; `texts` are of the kind that it will read."""
    small(Whole(lower, upper).eval(), target, ("logits",), lower.samples(texts))


def _factor(done: float, warmup: float) -> float:
    return done / warmup if done < warmup else max(0.0, (1 - done) / (1 - warmup))


def _batches(states: Sequence[torch.Tensor], plan: Plan) -> Iterator[list[int]]:
    """Rows in random order, those of like length together, so that little is padded."""
    chance = np.random.default_rng(plan.seed)
    for _ in range(plan.epochs):
        jitter = chance.uniform(0.8, 1.25, len(states))
        order = sorted(range(len(states)), key=lambda at: len(states[at]) * jitter[at])
        groups = [order[start : start + plan.batch] for start in range(0, len(order), plan.batch)]
        chance.shuffle(groups)
        yield from groups
