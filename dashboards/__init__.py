"""The same signals, bands and regressions, in Grafana.

Dashboards are written with grafanalib from the signals, leave through one normaliser as classic
dashboard JSON, and ask only Prometheus for what it scraped from Plimsoll's `/metrics`.
"""
