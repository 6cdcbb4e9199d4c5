"""Settings that a search tries, scaled to rows and events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from models.training.candidates import Recipe, RecipeName

_FEW, _SOME, _MANY = 100, 500, 5_000  # events that bear a curve, a product, a deep tree
ROUNDS: Final = (15, 30, 60, 100, 160)  # checkpoints of boosting; one fit answers for all of them
_MOST_ROUNDS: Final = 400
_STRENGTHS: Final = (0.01, 0.1, 1.0)  # scikit-learn's C, from strong to weak shrinkage


@dataclass(frozen=True)
class Budget:
    """Size of a table as the search sees it.

    Attributes:
        rows: rows to learn from.
        events: rows of the rarer class; they, not the rows, bear parameters.
    """

    rows: int
    events: int

    @property
    def knots(self) -> int:
        """Knots of a curve: none for few events."""
        return 0 if self.events < _FEW else 3 if self.events < _SOME else 4

    @property
    def pairs(self) -> int:
        """Products of a linear model: one for every hundred events, at most 30."""
        return 0 if self.events < _SOME else min(30, self.events // 100)


def logistic_settings(budget: Budget) -> list[Recipe]:
    """Straight lines, then curves, then curves with products; within each from strong to weak shrinkage."""
    shapes = [(0, 0)]
    if budget.knots:
        shapes.append((budget.knots, 0))
    if budget.pairs:
        shapes.append((budget.knots, budget.pairs))
    return [
        Recipe(RecipeName.LOGISTIC, {"C": strength, "knots": knots, "pairs": pairs})
        for knots, pairs in shapes
        for strength in _STRENGTHS
    ]


def boosting_settings(name: RecipeName, budget: Budget) -> list[Recipe]:
    """Small trees first, each with the most rounds that will be tried; `rounds` of a setting names its checkpoint."""
    leaves: tuple[int, ...] = (3, 6) if budget.events < _SOME else (6, 12) if budget.events < _MANY else (8, 16)
    if name is RecipeName.BOOSTING:
        leaves = leaves[:1]  # its fits cost most where rows are few; LightGBM tries the other size
    least = int(min(200, max(10, budget.rows // 250)))
    return [_trees(name, count, least) for count in leaves]


def _trees(name: RecipeName, leaves: int, least: int) -> Recipe:
    if name is RecipeName.BOOSTING:
        return Recipe(
            name,
            {
                "max_iter": ROUNDS[-1],
                "learning_rate": 0.1,
                "max_leaf_nodes": leaves,
                "min_samples_leaf": least,
                "l2_regularization": 10.0,
                "max_bins": 127,
                "max_features": 0.4,
            },
        )
    return Recipe(
        name,
        {
            "num_iterations": ROUNDS[-1],
            "learning_rate": 0.1,
            "num_leaves": leaves,
            "min_data_in_leaf": least,
            "lambda_l2": 10.0,
            "max_bin": 127,
            "feature_fraction": 0.4,
        },
    )


ROUNDS_KEY: Final = {RecipeName.BOOSTING: "max_iter", RecipeName.LIGHTGBM: "num_iterations"}


def at_round(recipe: Recipe, rounds: int) -> Recipe:
    """The same setting stopped at a checkpoint."""
    return Recipe(recipe.name, recipe.params | {ROUNDS_KEY[recipe.name]: rounds})


def for_rows(recipe: Recipe, rows: int, *, tuned_on: int) -> Recipe:
    """The recipe for more rows than its setting was found on: boosted trees bear rounds in proportion, at most 400."""
    if recipe.members:
        return replace(recipe, members=tuple(for_rows(one, rows, tuned_on=tuned_on) for one in recipe.members))
    key = ROUNDS_KEY.get(recipe.name)
    if key is None or rows <= tuned_on:
        return recipe
    rounds = round(float(recipe.params[key]) * rows / tuned_on)
    return at_round(recipe, max(int(recipe.params[key]), min(_MOST_ROUNDS, rounds)))


def shape_of(recipe: Recipe) -> str:
    """What a setting can express; settings of one shape differ only in how far they are shrunk."""
    if recipe.name is RecipeName.LOGISTIC:
        return f"{recipe.params['knots']} knots, {recipe.params['pairs']} products"
    return "trees"
