"""Measurements, one module a question: `python -m benchmarks.throughput --help`."""
