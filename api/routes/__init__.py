"""REST: what the other rooms know, as JSON; one file for each thing."""
