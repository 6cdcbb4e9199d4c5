"""The scoring API: scores on demand, identical to the nightly ones."""
