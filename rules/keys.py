"""The names of state rows as they are exported: of a rule, of a device, of what the quality tests remember."""


def quality_key(exercise: str | None, device: str, point: str) -> str:
    """The name of what the quality tests remember of a point."""
    return f"{exercise or ''}/{device}/:{point}"


def row_key(exercise: str | None, device: str, rule: str = "") -> str:
    """The name of a state row; without a rule, of the device's last sign of life."""
    return f"{exercise or ''}/{device}/{rule}"
