"""The science: features, training, evaluation, scoring, drift. No Dagster, no clock; IO in tracking alone."""

import os

# Waiting OpenMP threads sleep instead of spinning: beside other busy processes spinning made fits 10 times slower.
# Read when the first OpenMP library loads, so it stands before any import of scikit-learn.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
