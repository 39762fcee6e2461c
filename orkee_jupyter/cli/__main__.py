"""``python -m orkee_jupyter.cli``: the same as ``orkee``."""

from __future__ import annotations

from .main import main

if __name__ == "__main__":
    main()
