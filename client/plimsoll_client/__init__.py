"""What users put into their own programs: request metrics and the deployment reporter."""
