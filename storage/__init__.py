"""The ground floor: what was measured (history) and what was concluded (state), on disk.

History holds samples and windows in a DuckDB file; state holds regressions, incidents, deployments
and the outbox in SQLite or PostgreSQL. Nothing here knows what a signal or an alert is.
"""
