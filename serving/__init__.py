"""What answers requests. Wraps the rules of `recovery`; holds none of its own."""
