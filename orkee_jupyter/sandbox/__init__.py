"""The sandbox domain: model, states, manager, reaper and templates.

Imports the standard library only; everything it needs from outside comes in
through the protocols in :mod:`orkee_jupyter.sandbox.ports`.
"""
