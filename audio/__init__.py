"""It hears: recordings, spectrograms, speech models (arrives with a later release)."""
