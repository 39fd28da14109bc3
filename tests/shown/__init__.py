"""Every command that the documentation shows, run as a reader would run it."""
