"""Beacons in, samples out: what real browsers measured, without letting anybody in who forges it.

`asgi` answers requests, `beacon` decodes, `admission` and `rate` decide who may come in, `views`
waits until a page view is over, `guards` and `names` keep forged values and labels out, `cells`
counts. Nothing here reads a clock: requests and turns bring `now_ms`.
"""
