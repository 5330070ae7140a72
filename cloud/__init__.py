"""The cloud service: one folder a domain."""
