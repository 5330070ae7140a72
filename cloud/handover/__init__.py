"""Hand-over 交接班 and duty log 值班日志: what one shift leaves to the next, made from what the system knows."""
