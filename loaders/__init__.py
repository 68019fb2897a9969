"""What the outside world says about payments, made into records and stored."""
