"""The screens: each draws one page from the services it is given."""
