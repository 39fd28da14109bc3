-- Run once, when the data directory is new: what the statistics of statements need.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
