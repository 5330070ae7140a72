"""What people handle: the alerts, calls and reports of one event at one place."""
