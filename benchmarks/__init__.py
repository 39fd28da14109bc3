"""Runnable comparisons with peers: `python -m benchmarks NAME`. None is a test; ratios count."""
