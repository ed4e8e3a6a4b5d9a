"""Figures, measured on the real thing: `python -m benchmarks` takes all, `python -m benchmarks.<name>` one kind."""
