"""What people take away: tables, charts and pages as files, each with its provenance."""
