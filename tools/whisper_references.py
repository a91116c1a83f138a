"""Writes tests/audio/models/data/whisper_reference.npz: a tiny random Whisper and what transformers
computes with it. Run with the extra ``peer`` installed; the file is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

TARGET = Path(__file__).parents[1] / "tests" / "audio" / "models" / "data" / "whisper_reference.npz"
SIZES = {
    "vocab_size": 30, "d_model": 16, "encoder_layers": 1, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 20, "num_mel_bins": 8, "max_source_positions": 12, "max_target_positions": 10,
    "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 2,
}  # fmt: skip


def main() -> None:
    torch.manual_seed(0)
    net = WhisperForConditionalGeneration(
        WhisperConfig(**SIZES, bos_token_id=0, begin_suppress_tokens=None)
    ).eval()
    with torch.no_grad():
        for p in net.parameters():  # stored as float16: exact for the reader
            p.copy_((p + 0.2 * torch.randn_like(p)).half())
    features = torch.randn(2, 8, 24).half().float()
    ids, mask = torch.randint(3, 30, (2, 6)), torch.ones(2, 6, dtype=torch.int64)
    mask[1, :2] = 0
    with torch.no_grad():
        out = net(features, decoder_input_ids=ids, decoder_attention_mask=mask, labels=ids)
    arrays = {key: p.detach().numpy().astype(np.float16) for key, p in net.named_parameters()}
    arrays |= {f"config/{key}": np.array(value) for key, value in SIZES.items()}
    arrays |= {"input/features": features.numpy().astype(np.float16).astype(np.float32)}
    arrays |= {"input/ids": ids.numpy(), "input/mask": mask.numpy()}
    arrays |= {"output/encoder": out.encoder_last_hidden_state.numpy()}
    arrays |= {"output/logits": out.logits.numpy(), "output/loss": out.loss.numpy()}
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(TARGET, **arrays)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
