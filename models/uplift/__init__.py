"""Whom contact helps: randomised contacts, learners of the difference, and what a policy is worth."""
