"""The only door to MLflow: runs, model versions, aliases."""
