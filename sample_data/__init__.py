"""Everything made up: a merchant with planted truths. No row is of a real person or merchant."""
