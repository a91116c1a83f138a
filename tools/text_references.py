"""Write tests/text/models/data/reference.json: what transformers makes of tiny text models.

    python tools/text_references.py

Needs the peers (``pip install -e '.[peer]' transformers``). For every class: the config.json that
transformers writes, the keys and shapes of its state, and its outputs for fixed inputs with weights
that ``weights_of`` draws from a key's name, so that the file need not hold them.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests/text/models/data/reference.json"

BERT = {
    "vocab_size": 13,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 11,
}
DISTIL = {"vocab_size": 13, "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 12}
DISTIL |= {"max_position_embeddings": 11}
GPT = {"vocab_size": 13, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 20}
GPT |= {"bos_token_id": 3, "eos_token_id": 12}
OPTIONS = {"bert": BERT, "roberta": BERT, "distilbert": DISTIL, "gpt2": GPT}
HEADS = ("Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification")
CLASSES = {
    family: [prefix + head for head in (*HEADS, "ForQuestionAnswering")]
    for family, prefix in (("bert", "Bert"), ("roberta", "Roberta"), ("distilbert", "DistilBert"))
} | {"gpt2": ["GPT2Model", "GPT2LMHeadModel"]}
INPUTS = {
    "input_ids": [[5, 7, 9, 4, 10], [6, 8, 3, 1, 1]],
    "attention_mask": [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
}


def weights_of(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values that belong to a key, the same in every version of NumPy."""
    drawn = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
    norm = len(shape) == 1 and key.endswith("weight")
    return (drawn * 0.1 + 1 if norm else drawn * 0.4).astype(np.float32)


def reference(family: str, name: str) -> dict[str, object]:
    """Configuration, keys and outputs of one class."""
    import torch
    import transformers

    model = getattr(transformers, name)(transformers.CONFIG_MAPPING[family](**OPTIONS[family]))
    with torch.no_grad():
        for key, value in model.named_parameters():
            value.copy_(torch.tensor(weights_of(key, tuple(value.shape))))
        given = {key: torch.tensor(value) for key, value in INPUTS.items()}
        outputs = model.eval()(**given)
    with tempfile.TemporaryDirectory() as folder:
        model.config.architectures = [name]
        model.config.save_pretrained(folder)
        config = json.loads(Path(folder, "config.json").read_text())
    found: dict[str, object] = {
        "config": config,
        "shapes": {key: list(value.shape) for key, value in model.state_dict().items()},
        "outputs": {
            key: [float(f"{x:.7g}") for x in value.flatten().tolist()]
            for key, value in outputs.items()
            if hasattr(value, "flatten")
        },
    }
    if name == "GPT2LMHeadModel":
        ids = model.generate(given["input_ids"], max_new_tokens=8, do_sample=False, pad_token_id=0)
        found["greedy"] = ids.tolist()
    return found


def main() -> None:
    found = {name: reference(family, name) for family, names in CLASSES.items() for name in names}
    data = {"inputs": INPUTS, "models": found}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(data, indent=None, separators=(",", ":")) + "\n")
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
