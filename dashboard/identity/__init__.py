"""Who is asking: accounts, sessions, and what each role may do."""
