"""The magics: ``%load_ext orkee_jupyter`` brings ``%sandbox`` to a cell."""
