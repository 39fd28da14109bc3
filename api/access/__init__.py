"""Who may come in, and what they may do: tokens, sessions, scopes, and what they changed."""
