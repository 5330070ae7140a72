"""How well the rules detect: simulated months and recorded data through the very engine of the edge, with baselines."""
