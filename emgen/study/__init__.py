"""Studies: many runs, one comparison."""
