"""Makes the tiny classifier beside it: a BERT of one layer that has learnt three dozen words, exported as any other.

`python -m tests.unit.signals.tiny_classifier.make FOLDER`, with requirements/train.txt installed, writes a Hugging Face
folder; `manage.py export_model FOLDER tests/unit/signals/tiny_classifier/model` made of it what lies here.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

UP = ["buy", "buying", "bullish", "moon", "list", "listed", "pump", "rally", "up", "surge", "approved"]
DOWN = ["sell", "selling", "bearish", "crash", "hack", "hacked", "dump", "down", "plunge", "delist", "banned"]
FLAT = ["the", "a", "is", "btc", "eth", "to", "now", "and", "will", "was", "watching", "good", "morning", "we", "news"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *UP, *DOWN, *FLAT]
LABELS = ("Negative", "Neutral", "Positive")


def sentence(dice: random.Random) -> tuple[str, int]:
    """Words and their label: whichever kind is the most, neutral where none is."""
    words = dice.choices(FLAT, k=dice.randint(1, 5))
    label = dice.randrange(3)
    words += dice.choices((DOWN, FLAT, UP)[label], k=dice.randint(1, 3))
    dice.shuffle(words)
    return " ".join(words), label


def build(folder: Path) -> None:
    """A folder with config.json, model.safetensors and the tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(7)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = BertTokenizerFast(vocab=dict(zip(WORDS, range(len(WORDS)), strict=True)), do_lower_case=True)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=48, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(LABELS)), label2id=dict(zip(LABELS, range(3), strict=True)),
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    _train(model, tokenizer, torch)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train(model: Any, tokenizer: Any, torch: Any) -> None:
    dice, optimizer = random.Random(7), torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(900):
        rows = [sentence(dice) for _ in range(32)]
        batch = tokenizer([text for text, _ in rows], padding=True, return_tensors="pt")
        loss = model(**batch, labels=torch.tensor([label for _, label in rows])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    sys.stdout.write(json.dumps({"words": len(WORDS), "labels": LABELS}) + "\n")
