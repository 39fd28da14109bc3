"""How the tables of the state came to be, step by step; run by `State.migrate`."""
