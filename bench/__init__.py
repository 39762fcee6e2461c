"""Measures this project beside the bare Dagger SDK, Docker and testcontainers."""
