"""What is done with a version when it is given out: its site, its wheels, its audit, its pictures.

Run from a checkout, by the commands in `scripts/`; nothing of it is in the wheel.
"""
