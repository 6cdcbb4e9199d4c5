"""Settings that a search tries, scaled to rows and events."""

from __future__ import annotations

from collections.abc import Sequence

from models.training.candidates import Recipe, RecipeName


def default_settings(names: Sequence[RecipeName], *, rows: int, events: int) -> list[Recipe]:
    """One middle setting for each recipe but the average.

    Args:
        names: wished recipes, the simpler first.
        rows, events: of the table; few events get plain curves and small trees.
    """
    few = min(events, rows - events)
    knots = 0 if few < 100 else 3 if few < 500 else 4
    least = int(min(300, max(10, rows // 200)))
    made = {
        RecipeName.LOGISTIC: Recipe(RecipeName.LOGISTIC, {"C": 0.05, "knots": knots, "pairs": min(20, few // 100)}),
        RecipeName.BOOSTING: Recipe(
            RecipeName.BOOSTING,
            {
                "max_iter": 80,
                "learning_rate": 0.08,
                "max_leaf_nodes": 8,
                "min_samples_leaf": least,
                "l2_regularization": 10.0,
                "max_bins": 127,
                "max_features": 0.5,
            },
        ),
        RecipeName.LIGHTGBM: Recipe(
            RecipeName.LIGHTGBM,
            {
                "num_iterations": 80,
                "learning_rate": 0.08,
                "num_leaves": 8,
                "min_data_in_leaf": least,
                "lambda_l2": 10.0,
                "max_bin": 127,
                "feature_fraction": 0.5,
            },
        ),
    }
    return [made[name] for name in names if name in made]
