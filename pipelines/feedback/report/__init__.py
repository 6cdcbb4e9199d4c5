"""The day for people: one HTML page, and the machine-readable summary beside it."""
