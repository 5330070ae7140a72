"""叫应: calling people until one answers and is on their way; site speakers."""
