"""Incidents in, messages out.

An incident's way: `run.py` claims it from the detector's book, the stages of `pipeline.py` decide
whether a receiver hears of it and why, `outbox.py` keeps what must be sent until its fate is known,
`notifiers/` carry it to the outside. What is said stands in `message.py`.
"""
