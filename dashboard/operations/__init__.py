"""What people do about their numbers: views, notes, alerts and reports, kept in the ledger."""
