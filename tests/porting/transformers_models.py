"""A child process: transformers' own model files, with PyTorch or with Sensorium as ``torch``.

    python transformers_models.py (torch|sensorium) FOLDER [MODEL ...]

Both sides run the same lines, ``PreTrainedModel`` and ``generate`` included; the results of each
model, or its traceback, are left in FOLDER. Models are as small as their configurations allow.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

# Parts of transformers that its models import and do not use: a server for generation on GPUs.
ASIDE = ["transformers.generation.continuous_batching"]
ASIDE += [f"{ASIDE[0]}.cache"]

TEXT = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**TEXT, "intermediate_size": 37, "max_position_embeddings": 64}
GROUPED = {**WIDE, "num_key_value_heads": 2}  # fewer keys than queries
PICTURE = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2}
PICTURE |= {"num_attention_heads": 4, "intermediate_size": 37}
SOUND = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 32}
SOUND |= {
    "intermediate_size": 37,
    "conv_dim": (32, 32),
    "conv_stride": (4, 4),
    "conv_kernel": (8, 8),
}
SOUND |= {"num_feat_extract_layers": 2, "num_conv_pos_embeddings": 16}
SOUND |= {"num_conv_pos_embedding_groups": 2}
BOTH_WAYS = {"vocab_size": 99, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2}
BOTH_WAYS |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 37}
BOTH_WAYS |= {"decoder_ffn_dim": 37, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

# class: (file, configuration, inputs)
EVALUATED: dict[str, tuple[str, dict[str, Any], str]] = {
    "AlbertForMaskedLM": ("albert", {**WIDE, "embedding_size": 16}, "text"),
    "BartForConditionalGeneration": ("bart", {**BOTH_WAYS, "max_position_embeddings": 64}, "both"),
    "BertForMaskedLM": ("bert", WIDE, "text"),
    "BertForQuestionAnswering": ("bert", WIDE, "text"),
    "BertForSequenceClassification": ("bert", WIDE, "text"),
    "CLIPModel": ("clip", {}, "clip"),
    "DistilBertForMaskedLM": (
        "distilbert",
        {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 37},
        "text",
    ),
    "ElectraForTokenClassification": ("electra", {**WIDE, "embedding_size": 16}, "text"),
    "GPT2LMHeadModel": (
        "gpt2",
        {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        "text",
    ),
    "LlamaForCausalLM": ("llama", GROUPED, "text"),
    "MPNetForMaskedLM": ("mpnet", WIDE, "text"),
    "MistralForCausalLM": ("mistral", {**GROUPED, "sliding_window": 4}, "text"),
    "Qwen2ForCausalLM": ("qwen2", GROUPED, "text"),
    "ResNetForImageClassification": (
        "resnet",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2], "layer_type": "basic"},
        "picture",
    ),
    "RobertaForMaskedLM": ("roberta", WIDE, "text"),
    "T5ForConditionalGeneration": (
        "t5",
        {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}
        | {"decoder_start_token_id": 0},
        "both",
    ),
    "ViTForImageClassification": ("vit", PICTURE, "picture"),
    "Wav2Vec2ForCTC": ("wav2vec2", SOUND, "sound"),
    "BloomForCausalLM": (
        "bloom",
        {"vocab_size": 99, "hidden_size": 32, "n_layer": 2, "n_head": 4},
        "text",
    ),
    "ConvNextForImageClassification": (
        "convnext",
        {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2},
        "picture",
    ),
    "DebertaV2ForMaskedLM": (
        "deberta_v2",
        {**WIDE, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        "text",
    ),
    "Dinov2Model": ("dinov2", PICTURE, "picture"),
    "Gemma2ForCausalLM": ("gemma2", {**GROUPED, "head_dim": 8}, "text"),
    "GPTNeoXForCausalLM": ("gpt_neox", WIDE, "text"),
    "HubertForCTC": ("hubert", SOUND, "sound"),
    "MixtralForCausalLM": (
        "mixtral",
        {**GROUPED, "intermediate_size": 48, "num_local_experts": 4},
        "text",
    ),
    "MobileNetV2ForImageClassification": ("mobilenet_v2", {"image_size": 32}, "picture"),
    "ModernBertForMaskedLM": (
        "modernbert",
        {
            **WIDE,
            "pad_token_id": 0,
            "cls_token_id": 1,
            "sep_token_id": 2,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        "text",
    ),
    "OPTForCausalLM": (
        "opt",
        {
            "vocab_size": 99,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 37,
            "max_position_embeddings": 64,
            "word_embed_proj_dim": 32,
        },
        "text",
    ),
    "Phi3ForCausalLM": ("phi3", {**GROUPED, "pad_token_id": 0}, "text"),
    "Qwen3ForCausalLM": ("qwen3", {**GROUPED, "head_dim": 8}, "text"),
    "SegformerForImageClassification": (
        "segformer",
        {
            "hidden_sizes": [8, 16, 24, 32],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 4],
        },
        "picture",
    ),
    "SiglipModel": ("siglip", {}, "clip"),
    "SwinForImageClassification": (
        "swin",
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 8,
            "depths": [1, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        "picture",
    ),
    "XLMRobertaForMaskedLM": ("xlm_roberta", WIDE, "text"),
    "WhisperForConditionalGeneration": (
        "whisper",
        {**BOTH_WAYS, "max_source_positions": 20, "max_target_positions": 20, "num_mel_bins": 16},
        "whisper",
    ),
}
GENERATED = ["GPT2LMHeadModel", "LlamaForCausalLM", "T5ForConditionalGeneration"]
TRAINED = [
    "BertForSequenceClassification",
    "GPT2LMHeadModel",
    "ResNetForImageClassification",
    "ViTForImageClassification",
]


def inputs(kind: str, dtype: str, torch: Any) -> dict[str, Any]:
    """Two examples; of two texts the second is shorter."""
    rng = np.random.default_rng(0)
    ids = torch.tensor(rng.integers(3, 99, (2, 10)))
    mask = torch.tensor([[1] * 10, [1] * 6 + [0] * 4])
    draw = {
        "text": lambda: {"input_ids": ids, "attention_mask": mask},
        "both": lambda: {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": ids[:, :5]},
        "picture": lambda: {"pixel_values": rng.normal(size=(2, 3, 32, 32))},
        "clip": lambda: {
            "input_ids": ids,
            "attention_mask": mask,
            "pixel_values": rng.normal(size=(2, 3, 32, 32)),
        },
        "sound": lambda: {"input_values": rng.normal(size=(2, 400))},
        "whisper": lambda: {
            "input_features": rng.normal(size=(2, 16, 40)),
            "decoder_input_ids": ids[:, :5],
        },
    }[kind]()
    made = {k: v if torch.is_tensor(v) else torch.tensor(v.astype(dtype)) for k, v in draw.items()}
    return made


def build(name: str) -> Any:
    """The model of a small configuration that drops nothing out."""
    place, options, _ = EVALUATED[name]
    home = importlib.import_module(f"transformers.models.{place}.modeling_{place}")
    made = getattr(home, name)
    if name in ("CLIPModel", "SiglipModel"):
        text, vision = {**WIDE, "eos_token_id": 98}, PICTURE
        config = made.config_class(text_config=text, vision_config=vision)
    else:
        config = made.config_class(**options)
    for key in list(vars(config)):
        if key.endswith(("dropout", "pdrop", "_prob", "layerdrop")) and isinstance(
            getattr(config, key), float
        ):
            setattr(config, key, 0.0)
    config._experts_implementation = "eager"  # the loop: the other is a GPU's grouped product
    return made(config)


def outputs(found: Any) -> dict[str, np.ndarray]:
    """Every array of a model's output, by its name."""
    flat: dict[str, np.ndarray] = {}

    def walk(name: str, value: Any) -> None:
        if hasattr(value, "detach"):
            flat[name] = value.detach().numpy()
        elif isinstance(value, (tuple, list)):
            for i, part in enumerate(value):
                walk(f"{name}.{i}", part)
        elif hasattr(value, "items"):
            for key, part in value.items():
                walk(f"{name}.{key}", part)

    walk("output", dict(found))
    return flat


def evaluate(name: str) -> dict[str, np.ndarray]:
    model = build(name)
    exchange.fill(model, torch)
    with torch.no_grad():
        found = model.eval()(**inputs(EVALUATED[name][2], "float32", torch))
    return {**outputs(found), **exchange.buffers(model)}


def generate(name: str) -> dict[str, np.ndarray]:
    """Ten more tokens, the likeliest each time, by transformers' own loop and cache."""
    model = build(name)
    exchange.fill(model, torch)
    ids = inputs("text", "float32", torch)["input_ids"]
    found = model.eval().generate(
        ids, max_new_tokens=10, min_new_tokens=10, do_sample=False, pad_token_id=0, eos_token_id=98
    )
    return {"tokens": found.numpy()}


def train(name: str) -> dict[str, np.ndarray]:
    kind = EVALUATED[name][2]
    model, given = build(name).double(), inputs(kind, "float64", torch)
    labels = given["input_ids"] if "LM" in name else torch.tensor([1, 0])
    criterion = torch.nn.CrossEntropyLoss()  # by ourselves: transformers' casts to float32

    def loss() -> Any:
        logits = model(**given).logits
        return criterion(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))

    return exchange.trained(model, torch, loss)


if __name__ == "__main__":
    import exchange

    package, folder, *chosen = sys.argv[1:]
    if package == "sensorium":
        import stand_in

        stand_in.install()
        for place in ASIDE:
            sys.modules[place] = stand_in.Aside(place)
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")

    jobs = {name: lambda name=name: evaluate(name) for name in chosen or EVALUATED}
    jobs |= {f"{n} trained": lambda n=n: train(n) for n in TRAINED if not chosen or n in chosen}
    jobs |= {
        f"{n} generated": lambda n=n: generate(n) for n in GENERATED if not chosen or n in chosen
    }
    exchange.run_all(jobs, Path(folder))
