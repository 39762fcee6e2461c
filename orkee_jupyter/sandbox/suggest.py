"""Errors about names that should be one of a known set, naming the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` was probably meant to be, or None."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def remedy_for(word: str, known: Iterable[str]) -> str:
    """Return the remedy sentence for an unknown word."""
    known = sorted(known)
    guess = nearest(word, known)
    if guess is not None:
        return f"Did you mean {guess!r}?"
    return f"Known are: {', '.join(known)}." if known else ""
