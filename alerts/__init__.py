"""Incidents in, messages out.

An incident's way: `run.py` claims it from the detector's book, the stages of `pipeline.py` decide
whether a receiver hears of it and why, `outbox.py` keeps what must be sent until its fate is known,
`deliver.py` lets `notifiers/` carry it to the outside. What is said stands in `wording.py`, how it
is laid out in `layouts.py`. What comes back from Slack goes through `presses.py`.
"""
