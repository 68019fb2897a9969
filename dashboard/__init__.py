"""What people see and do: screens, metrics, the command line."""
