"""The server's end of sandboxd's streams: listeners, frames, control, exec, ports and logs.

``sandboxd/README.md`` at the top of the project describes the wire. Everything
that arrives here is taken for hostile: its length, credit, state and time are
bounded, and nothing of it becomes a path or a host.
"""
