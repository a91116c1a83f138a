"""It reads: tokenizers, language models, datasets (arrives with a later release)."""
