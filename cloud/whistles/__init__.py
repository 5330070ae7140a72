"""街道吹哨、部门报到: a street calls a department once per cause; it answers against a clock and is rated."""
