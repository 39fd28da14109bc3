"""What users put into their own programs: what measures them, and what reports deployments."""
