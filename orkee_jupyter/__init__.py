"""Orkee for Jupyter: run containers from a notebook."""
