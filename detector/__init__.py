"""Signals in; judgements, regressions and incidents out.

A signal is evaluated into windows, rules judge the windows against what was normal, and a judgement
that holds becomes a regression with a life of its own.
"""
