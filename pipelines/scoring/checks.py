"""Checks of the training stage."""

CHECKS: list = []
