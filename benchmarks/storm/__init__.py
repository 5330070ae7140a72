"""A storm: thousands of alerts in a minute through the cloud's own door, with a room full of listeners."""
