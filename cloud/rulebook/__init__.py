"""The rulebook: rules and tests of sites, buildings, zones and devices, each change a revision with its reason."""
