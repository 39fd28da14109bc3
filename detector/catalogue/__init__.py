"""The signals and rules that ship, as data."""
