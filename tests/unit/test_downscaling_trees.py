import lightgbm as lgb
import numpy as np
import pytest

from sm_core.downscaling import Trees
from sm_core.errors import ModelIntegrityError

QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 0}


def table(rows, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, 4)).astype(np.float32)
    values[:, 3] = np.round(values[:, 3])
    return values


def booster(rounds=60, **params):
    x = table(3000)
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 3] + 0.1 * np.random.default_rng(1).standard_normal(len(x))
    categorical = params.pop("categorical", "auto")
    return lgb.train({**QUIET, **params}, lgb.Dataset(x, y, categorical_feature=categorical), rounds)


@pytest.mark.parametrize("params", [
    {"num_leaves": 2}, {"num_leaves": 31}, {"num_leaves": 32, "min_data_in_leaf": 2, "learning_rate": 0.7},
    {"num_leaves": 8, "monotone_constraints": [1, 0, 0, 0]},
], ids=["stumps", "usual", "deep", "monotone"])
def test_every_bit_is_that_of_lightgbm(params):
    model = booster(**params)
    x = np.concatenate([table(20_000, seed=5), table(3000)])
    np.testing.assert_array_equal(Trees.of(model).predict(x.T), model.predict(x))


def test_values_at_a_threshold_go_where_lightgbm_sends_them():
    model = booster(num_leaves=8)
    trees = Trees.of(model)
    x = np.zeros((len(trees.threshold), 4), np.float32)
    x[np.arange(len(x)), trees.feature] = trees.threshold.astype(np.float32)
    x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))])
    np.testing.assert_array_equal(trees.predict(x.T), model.predict(x))


def test_a_stored_model_and_trees_that_are_one_leaf_are_the_same():
    model = lgb.Booster(model_str=booster(rounds=5, num_leaves=8).model_to_string())
    x = table(500, seed=2)
    np.testing.assert_array_equal(Trees.of(model).predict(x.T), model.predict(x))
    constant = lgb.train(QUIET, lgb.Dataset(table(500), np.full(500, 0.3)), 3)
    np.testing.assert_array_equal(Trees.of(constant).predict(x.T), constant.predict(x))


def test_no_rows_give_no_values():
    assert Trees.of(booster(rounds=2)).predict(np.empty((4, 0), np.float32)).shape == (0,)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_unknown_values_are_refused(value):
    x = table(10)
    x[3, 2] = value
    with pytest.raises(ValueError, match="unknown"):
        Trees.of(booster(rounds=2)).predict(x.T)
    with pytest.raises(ValueError, match="4 features"):
        Trees.of(booster(rounds=2)).predict(x[:, :3].T)


@pytest.mark.parametrize("params", [
    {"categorical": [3]}, {"linear_tree": True}, {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    {"objective": "multiclass", "num_class": 2}, {"num_leaves": 33, "min_data_in_leaf": 1},
], ids=["categorical", "linear", "averaged", "classes", "many leaves"])
def test_other_kinds_of_trees_are_refused(params):
    x = table(2000)
    target = (x[:, 3] > 0).astype(float) + (0 if "num_class" in params else x[:, 0])
    categorical = params.pop("categorical", "auto")
    data = lgb.Dataset(np.where(x[:, 3:] < 0, 0, x), target, categorical_feature=categorical,
                       params={"linear_tree": params.get("linear_tree", False), "verbosity": -1})
    with pytest.raises(ModelIntegrityError, match="regression trees"):
        Trees.of(lgb.train({**QUIET, **params}, data, 5))
