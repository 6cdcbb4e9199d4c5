"""Checks of the feature stage."""

CHECKS: list[object] = []
