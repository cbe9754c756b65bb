"""From columns to inputs, against scikit-learn's transformer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lightning_lossmeta.data.tables.features import FeatureTable, encode

TRAIN = np.arange(8)
NUMBERS = [1.0, 2, 4, 8, 1, 5, 9, 2, 30, -7]


def _encoded(train=TRAIN, **columns):
    features = pd.DataFrame(columns)
    inputs, names = encode(FeatureTable("the table", features, np.zeros(len(features))), train)
    assert len(set(names)) == len(names) == inputs.shape[1]
    return inputs.numpy(), names


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.none()), min_size=10, max_size=10),
    st.lists(st.sampled_from(["red", "", "a=b", "ß", None]), min_size=10, max_size=10),
    st.permutations(range(10)),
)
@example(
    [0.0, None, 0, None, 1, 3e-40, None, None, None, 0],
    ["red"] * 10,
    [0, 1, 2, 3, 5, 6, 4, 7, 8, 9],
)
def test_inputs_are_those_of_scikit_learn(numbers, texts, order):
    train = np.array(order[:6])
    frame = pd.DataFrame(
        {"n": pd.Series(numbers, dtype=float), "t": pd.Series(texts, dtype=object)}
    )
    frame["m"] = NUMBERS
    if frame.iloc[train].isna().all().any():
        with pytest.raises(ValueError, match="to have a value in some training row, got none"):
            _encoded(train, **frame)
        return
    known = sorted({text for text in texts if text is not None})
    steps = [
        ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["n", "m"]),
        ("t", OneHotEncoder(categories=[known], handle_unknown="ignore"), ["t"]),
    ]
    oracle = ColumnTransformer(steps, sparse_threshold=0).fit(frame.iloc[train])
    expected = oracle.transform(frame)
    expected[:, np.ptp(expected[train], axis=0) == 0] = 0
    if np.abs(expected).max() > np.finfo(np.float32).max:
        with pytest.raises(ValueError, match="too large beside those of the training rows"):
            _encoded(train, **frame)
        return
    inputs, names = _encoded(train, **frame)
    assert names == ("n", "m", *(f"t={text}" for text in known))
    assert inputs == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (
            {"color=red": NUMBERS, "color": ["red", "blue"] * 5},
            ("color=red", "color=blue", "color=red (2)"),
        ),
        (
            {"a": ["b=c", "x"] * 5, "a=b": ["c", "y", "y", "c", "c"] * 2},
            ("a=b=c", "a=x", "a=b=c (2)", "a=b=y"),
        ),
        (
            {"c=r": NUMBERS, "c=r (2)": NUMBERS[::-1], "c": ["r", "s"] * 5},
            ("c=r", "c=r (2)", "c=r (3)", "c=s"),
        ),
    ],
)
def test_inputs_of_the_same_name_are_all_kept(columns, names):
    inputs, got = _encoded(**columns)
    assert got == names
    alone = [_encoded(**{name: column})[0] for name, column in columns.items()]
    order = sorted(range(len(alone)), key=lambda k: isinstance(list(columns.values())[k][0], str))
    assert np.array_equal(inputs, np.hstack([alone[k] for k in order]))


def test_texts_that_training_rows_lack_are_zero_and_keep_their_input():
    inputs, names = _encoded(n=NUMBERS, t=["a", "b"] * 4 + ["new", "a"])
    assert names == ("n", "t=a", "t=b", "t=new")
    assert inputs[8, 1:].tolist() == [0, 0, 0]
    assert inputs[9, 1:].tolist() == [1, 0, 0]


@pytest.mark.parametrize("value", [0.1, 0.3, 1e6 / 3, -7e99, 0.0])
def test_what_is_constant_over_the_training_rows_is_zero_in_all(value):
    inputs, _ = _encoded(n=NUMBERS, same=[value] * 8 + [value + 1, -value])
    assert (inputs[:, 1] == 0).all()


@pytest.mark.parametrize("only", [{"n": NUMBERS}, {"t": ["a", "b"] * 5}])
def test_numbers_alone_and_texts_alone(only):
    inputs, _ = _encoded(**only)
    assert inputs.shape == (10, len(only) if "n" in only else 2)


def test_the_table_stays_as_it_is():
    features = pd.DataFrame({"n": [*NUMBERS[:9], np.nan], "t": ["a", None] * 5})
    before = features.copy()
    encode(FeatureTable("x", features, np.zeros(10)), TRAIN)
    pd.testing.assert_frame_equal(features, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_targets_that_are_no_finite_numbers_are_refused_with_the_row(bad):
    target = np.array([0.0] * 4 + [bad] + [0.0] * 5)
    with pytest.raises(ValueError, match=f"target of x to be finite numbers, got {bad} in row 4"):
        FeatureTable("x", pd.DataFrame({"n": NUMBERS}), target)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e101, -1e300])
def test_features_that_are_too_large_are_refused_with_the_column(bad):
    with pytest.raises(ValueError, match="Expected n of x to be numbers that can be standardised"):
        FeatureTable("x", pd.DataFrame({"n": [*NUMBERS[:9], bad]}), np.zeros(10))
    with pytest.raises(ValueError, match="the target of x"):
        FeatureTable("x", pd.DataFrame({"n": NUMBERS}), np.full(10, bad))


def test_a_row_too_far_from_the_training_rows_is_refused():
    with pytest.raises(ValueError, match="too large beside those of the training rows"):
        _encoded(n=[*NUMBERS[:9], 1e90])


@pytest.mark.parametrize(
    ("features", "target"), [({}, np.zeros(10)), ({"n": NUMBERS}, np.zeros(9))]
)
def test_tables_without_features_or_targets_are_refused(features, target):
    with pytest.raises(ValueError, match="to have a feature and a target a row, got"):
        FeatureTable("x", pd.DataFrame(features), target)
