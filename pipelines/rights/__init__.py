"""Rights of people over every store of an installation: the rules are in `recovery.rights`, the stores here."""
