"""Makes two encoders that know four words each, in the form that `manage.py train` writes (run with
requirements/train.txt): a word's logits are read from a table and added up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

HERE = Path(__file__).parent
KNOWN = {
    "encoder": {"[UNK]": (0, 0, 0), "wait": (0, 2, 0), "buy": (0, 0, 2), "sell": (2, 0, 0)},
    "second": {"[UNK]": (0, 0, 0), "sell": (3, 0, 0), "wait": (0, 3, 0), "moon": (0, 0, 3)},
}


def model(table: np.ndarray) -> onnx.ModelProto:
    """`input_ids`, `attention_mask` (N, L) → `logits` (N, 3)."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "first"], ["logits"], keepdims=0),
    ]
    constants = {"table": table, "last": np.array([2]), "first": np.array([1])}
    shapes = {"input_ids": ["n", "l"], "attention_mask": ["n", "l"]}
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    """Write each model with its tokenizer."""
    for name, words in KNOWN.items():
        onnx.save(model(np.array(list(words.values()), dtype=np.float32)), HERE / f"{name}.onnx")
        splitter = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
        splitter.pre_tokenizer = pre_tokenizers.Whitespace()
        splitter.save(str(HERE / ("tokenizer.json" if name == "encoder" else f"{name}.tokenizer.json")))


if __name__ == "__main__":
    main()
