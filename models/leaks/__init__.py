"""Columns and features that know the outcome: found and named, never silently dropped."""
