"""What this engine would have achieved on a flat table of past leads: pure functions on frames."""
