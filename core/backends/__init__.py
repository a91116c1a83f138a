"""Bindings to array libraries and vendor routines; no operation has its formula here."""
