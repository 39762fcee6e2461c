"""From folders to tar archives: what the client sends, and the server on its own machine."""
