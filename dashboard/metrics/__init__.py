"""The metrics: one question, one typed row, its definition, version and sources each."""
