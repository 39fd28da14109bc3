"""Bytes in, samples out: targets, this host, and whatever else is measured.

`schedule` says who is due, the adapters (`scrape`, `host`) fetch, `exposition` reads pages, and
`run` carries what came into the history, whatever a single target does.
"""
