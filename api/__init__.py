"""The front of the house: command line, REST, web pages, `/metrics`, and the only clock.

Builds the rooms once from the configuration, runs their loops and shows what they know.
"""
