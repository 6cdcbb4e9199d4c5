"""How a resurrection model is made: time slices, recipes, candidates."""
