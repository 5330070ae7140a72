"""Accounts, sessions, roles, the responsibility tree, responders and shifts."""
