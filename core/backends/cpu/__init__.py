"""The CPU engine: oneDNN through ctypes. `onednn` is its table of contents."""
