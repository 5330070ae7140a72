"""预案: what each hazard asks for at each level, as cards by role; shipped as YAML, edited by site with revisions."""
