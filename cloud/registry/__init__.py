"""Sites, buildings, zones, devices, edges and timelines, and what goes down to each edge."""
