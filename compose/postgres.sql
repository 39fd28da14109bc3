-- Run once by psql, when the data directory is new: the shop's database, and the roles that use it.
\getenv password POSTGRES_PASSWORD
CREATE ROLE shop LOGIN PASSWORD :'password';
CREATE DATABASE shop OWNER shop;
-- What `plimsoll setup postgres` asks for: a role that sees statistics and no rows.
CREATE ROLE watcher LOGIN PASSWORD :'password' IN ROLE pg_monitor;
\connect shop
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
