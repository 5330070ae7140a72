"""Device profiles: what a model of sensor sends, as pure data, and the compiler that turns it into a decoder."""
