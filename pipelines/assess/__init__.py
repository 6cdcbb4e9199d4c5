"""The shell of an assessment: reads a flat file, calls `models.assess`, writes its JSON and its page."""
