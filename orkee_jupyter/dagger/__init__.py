"""The engine: the only package that imports ``dagger`` and knows how to run it."""

from __future__ import annotations

import os


def _import_sdk() -> None:
    """Import the SDK without a setting that can make the import fail.

    OTEL_PROPAGATORS may name a propagator that only another program has.
    """
    propagators = os.environ.pop("OTEL_PROPAGATORS")
    try:
        import dagger  # noqa: F401
    finally:
        os.environ["OTEL_PROPAGATORS"] = propagators


if "OTEL_PROPAGATORS" in os.environ:  # else nothing is imported before it is needed
    _import_sdk()
