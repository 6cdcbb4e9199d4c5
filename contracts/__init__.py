"""The words of the engine: frozen types, closed sets, settings and the published files' reader and writer."""
