"""Redis and Valkey, asked in their own protocol with the least of rights."""
