"""Tests of plimsoll-client, on the frameworks that its users have."""
