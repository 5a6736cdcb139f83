"""Exports a Hugging Face sequence classifier to the folder that `transformer.py` runs; needs requirements/train.txt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.signals.adapters.transformer_config import Folder, meanings, names_of
from tradebot.contracts.errors import NotConfigured

OPSET = 17
EXACT = 1e-3
"""Largest difference between a logit of PyTorch and of onnxruntime that rounding explains."""
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
SHORT = 32
"""Tokens of a sample: every model has that many places."""
SAMPLES = (
    "Binance will list PEPE tomorrow, buying more now",
    "The exchange was hacked and withdrawals are halted, sell everything",
    "Watching BTC, could go either way",
    "gm",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: names of the outputs, bytes of the model, and how far its logits are from PyTorch's on SAMPLES
    (`difference`, before quantising) and how often int8 says the same (`agreement`, 1 without int8)."""

    labels: tuple[str, ...]
    size: int
    difference: float
    agreement: float


def export(source: Path, target: Path, *, int8: bool = False, labels: Sequence[str] = ()) -> Exported:
    """Write model.onnx, config.json and tokenizer.json into the new folder `target`.

    `labels`: what the outputs mean, in their order, where config.json does not say it. Raises NotConfigured with the
    remedy: PyTorch missing, no classifier, unusable labels, `target` there already.
    """
    _require_torch()
    if not (source / "config.json").is_file():
        raise NotConfigured(f"{source} has no config.json; give the folder of a Hugging Face model")
    if target.exists():
        raise NotConfigured(f"{target} is there already; choose another folder or remove it")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        done = _export(source, partial, int8, labels)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return done


def _export(source: Path, target: Path, int8: bool, labels: Sequence[str]) -> Exported:
    model, tokenizer = _loaded(source)
    names = _labelled(model.config, target.name, labels)
    tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
    (target / "config.json").write_text(_config(model.config))
    exact = target / "model.onnx"
    _to_onnx(model, _encoded(tokenizer, SAMPLES[:2]), exact)
    batches = [_encoded(tokenizer, texts) for texts in (SAMPLES, SAMPLES[-1:], [" ".join(SAMPLES)])]
    right = [_logits_of_torch(model, each) for each in batches]
    difference = _difference(right, [_logits_of_onnx(exact, each) for each in batches])
    if not difference <= EXACT:
        raise NotConfigured(
            f"the exported model differs from PyTorch's by {difference:.3g}; this kind can't be exported so"
        )
    agreement = _quantised(exact, batches, right) if int8 else 1.0
    return Exported(names, exact.stat().st_size, difference, agreement)


def _require_torch() -> None:
    try:
        import torch  # noqa: F401, I001 - the larger one is named first where both are missing
        import onnx  # noqa: F401
    except ImportError as error:
        raise NotConfigured(
            f"{error.name} is not installed; exporting needs the packages of requirements/train.txt, best in an"
            " environment of their own: uv venv var/train && uv pip install -p var/train -r requirements/train.txt"
        ) from None


def _loaded(source: Path) -> tuple[Any, Any]:
    """Only what lies in the folder, and no code out of it."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model = AutoModelForSequenceClassification.from_pretrained(source, attn_implementation="eager", **options)
    except (OSError, ValueError, KeyError) as error:
        raise NotConfigured(f"{source} can't be loaded as a sequence classifier: {str(error)[:300]}") from None
    if not getattr(tokenizer, "is_fast", False):
        raise NotConfigured(f"{source} has no fast tokenizer (tokenizer.json), which the product needs")
    return model.eval(), tokenizer


def _labelled(config: Any, name: str, labels: Sequence[str]) -> tuple[str, ...]:
    if labels:
        if len(labels) != config.num_labels:
            raise NotConfigured(f"--labels names {len(labels)} outputs, the model has {config.num_labels}")
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: place for place, label in config.id2label.items()}
    names = names_of(config.id2label)
    try:
        meanings(names, Folder("this-model", Path(name)))
    except NotConfigured as error:
        raise NotConfigured(f"{error}; or give --labels bearish,neutral,bullish here") from None
    return tuple(names)


def _config(config: Any) -> str:
    kept = {name: value for name, value in config.to_dict().items() if name != "_name_or_path"}
    return json.dumps(kept, indent=1, sort_keys=True, default=str) + "\n"


def _encoded(tokenizer: Any, texts: Sequence[str]) -> dict[str, Any]:
    found = tokenizer(list(texts), padding=True, truncation=True, max_length=SHORT, return_tensors="pt")
    return {name: found[name] for name in _INPUTS if name in found}


def _difference(right: Sequence[Any], found: Sequence[Any]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(right, found, strict=True))


def _to_onnx(model: Any, inputs: dict[str, Any], path: Path) -> None:
    import warnings

    import torch

    # The exporter warns of its own workings; whether the graph is right is compared afterwards.
    warnings.filterwarnings("ignore", module=r"torch\.onnx|transformers")

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            return self.model(**dict(zip(inputs, given, strict=True))).logits

    axes = {0: "batch", 1: "length"}
    torch.onnx.export(
        Logits().eval(),  # else the exporter leaves the model itself in training mode behind it
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_axes={**dict.fromkeys(inputs, axes), "logits": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )


def _logits_of_torch(model: Any, inputs: dict[str, Any]) -> Any:
    import torch

    with torch.no_grad():
        return model(**inputs).logits.numpy()


def _logits_of_onnx(path: Path, inputs: dict[str, Any]) -> Any:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {each.name: inputs[each.name].numpy() for each in session.get_inputs()})[0]


def _quantised(path: Path, batches: Sequence[dict[str, Any]], right: Sequence[Any]) -> float:
    """Dynamic int8, seven bits a channel: the full range overflows on processors without VNNI. Returns the share of
    texts whose outcome stays."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.with_name("int8.onnx")
    quantize_dynamic(str(path), str(small), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    small.replace(path)
    found = [_logits_of_onnx(path, each) for each in batches]
    same = [one.argmax(1) == other.argmax(1) for one, other in zip(right, found, strict=True)]
    return float(np.concatenate(same).mean())
