"""The engine: the only package that imports ``dagger`` and knows how to run it."""
