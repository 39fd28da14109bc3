"""PostgreSQL: what the server tells of sessions, statements, tables, locks and replication.

Every query reads, in a transaction of its own that gives up soon and waits for no lock; each group
of queries is a part of the run that fails alone. Query texts are scrubbed before anybody keeps
them.
"""
