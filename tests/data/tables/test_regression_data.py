"""Diabetes and California Housing: what is read, and that disjoint splits share no row."""

import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from lightning_lossmeta.data import CaliforniaHousingDataModule, DiabetesDataModule, SymmetricNoise
from lightning_lossmeta.data.tables import california as california_file
from lightning_lossmeta.data.tables import logs

REAL = Path(__file__).parents[3] / ".." / "shared" / "data"
real_table = pytest.mark.skipif(
    not (REAL / "california_housing" / "housing.csv").is_file(),
    reason="the table of California Housing is not beside the checkout",
)
HEADER = (
    "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,"
    "median_income,median_house_value,ocean_proximity"
)
# The first line of the table; scikit-learn's documentation shows the features made of it.
FIRST = "-122.23,37.88,41.0,880.0,129.0,322.0,126.0,8.3252,452600.0,NEAR BAY"
FIRST_FEATURES = [8.3252, 41.0, 6.98412698, 1.02380952, 322.0, 2.55555556, 37.88, -122.23]


def _indices(splits):
    return [set(part.indices.tolist()) for _, part in splits.named()]


def _published(**arguments):
    with pytest.warns(UserWarning, match="HOLDS EVERY TRAINING ROW"):
        return DiabetesDataModule(split="published", **arguments)


@pytest.mark.parametrize("seed", [0, 1, 12])
def test_honest_splits_share_no_row_and_hold_all(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits = DiabetesDataModule(split_seed=seed).splits
    train, val, test = _indices(splits)
    assert (len(train), len(val), len(test)) == (266, 88, 88)
    assert train | val | test == set(range(442))
    # disjoint, as sizes and union say; the patients' measurements agree
    rows = [{tuple(row) for row in part.inputs.tolist()} for _, part in splits.named()]
    assert not rows[0] & rows[2]
    assert not rows[0] & rows[1]


@pytest.mark.parametrize("seed", [0, 5])
def test_the_published_split_tests_on_what_it_trained_on(seed):
    train, val, test = _indices(_published(split_seed=seed).splits)
    assert (len(train), len(val), len(test)) == (88, 89, 177)
    assert not train & val
    assert test == train | val


def test_the_published_split_is_that_of_the_published_code():
    """As its calls of scikit-learn and scaler make it, by hand."""
    inputs, target = load_diabetes(return_X_y=True)
    _, test_x, _, test_y = train_test_split(inputs, target, test_size=0.4, random_state=0)
    train_x, _, train_y, _ = train_test_split(test_x, test_y, test_size=0.5, random_state=0)
    scale_x = StandardScaler().fit(train_x)
    scale_y = StandardScaler().fit(train_y[:, None])
    splits = _published().splits
    assert np.allclose(splits.train.inputs, scale_x.transform(train_x), atol=1e-4)
    assert np.allclose(splits.test.inputs, scale_x.transform(test_x), atol=1e-4)
    assert np.allclose(splits.test.targets, scale_y.transform(test_y[:, None]), atol=1e-4)


def test_the_warning_comes_with_the_arguments_and_not_again():
    data = _published()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.setup()
        again = pickle.loads(pickle.dumps(data))
        assert _indices(again.splits) == _indices(data.splits)
    assert len(pickle.dumps(data)) < 2000


def test_diabetes_is_standardised_by_the_training_rows():
    data = DiabetesDataModule()
    train, test = data.splits.train, data.splits.test
    for values in (train.inputs, train.targets):
        assert torch.allclose(values.mean(dim=0), torch.zeros(values.shape[1]), atol=1e-5)
        assert torch.allclose(values.std(dim=0, correction=0), torch.ones(values.shape[1]))
    assert float(test.inputs.mean(dim=0).abs().max()) > 1e-3
    mean, std = data.target_scale
    target = torch.tensor(load_diabetes().target)[test.indices]
    assert torch.allclose(test.targets[:, 0].double() * std + mean, target, atol=1e-3)
    assert data.feature_names[:3] == ("age", "sex", "bmi")


def test_noise_on_labels_is_refused():
    with pytest.raises(ValueError, match="`noise` to be None for regression, got"):
        DiabetesDataModule(noise=SymmetricNoise(0.2))


def test_messages_come_from_the_first_process_alone(monkeypatch):
    messages = []
    monkeypatch.setattr(logs, "rank_zero_info", messages.append)
    logs.log_once("once")
    monkeypatch.setattr(logs.multiprocessing, "parent_process", lambda: object())
    logs.log_once("from a worker")
    assert messages == ["once"]


@pytest.fixture
def census(tmp_path):
    """A small census table; one count of bedrooms is missing."""
    folder = tmp_path / "california_housing"
    folder.mkdir()
    lines = [HEADER, FIRST]
    for n in range(1, 20):
        bedrooms = "" if n == 4 else 20 * n
        lines.append(f"-120.{n},36.{n},{n},{100 * n},{bedrooms},{30 * n},{10 + n},{n},{n}e4,INLAND")
    (folder / "housing.csv").write_text("\n".join(lines))
    return tmp_path


def test_features_are_those_of_scikit_learn(census, monkeypatch):
    said = []
    monkeypatch.setattr(logs, "rank_zero_info", said.append)
    data = CaliforniaHousingDataModule(root=str(census), download=False)
    table = data.table()
    assert table.features.iloc[0].tolist() == pytest.approx(FIRST_FEATURES)
    assert table.target[0] == pytest.approx(4.526)
    assert table.features.isna().to_numpy().nonzero() == (4, 3)
    assert data.feature_names[3] == "AveBedrms"
    assert said == [
        "California Housing: 1 missing values took the training rows' median (AveBedrms 1)."
    ]
    inside = CaliforniaHousingDataModule(root=str(census / "california_housing"), download=False)
    assert torch.equal(inside.splits.test.inputs, data.splits.test.inputs)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("households", "homes", r"housing\.csv' to have a column 'households'"),
        (",126.0,", ",0,", "'households' .* positive numbers, got another in line 2"),
        (",126.0,", ",,", "'households' .* value in every line, got '' in line 2"),
        (",452600.0,", ",,", "'median_house_value' .* value in every line"),
        (",41.0,", ",old,", "'housing_median_age' .* numbers, got 'old' in line 2"),
    ],
)
def test_another_or_damaged_table_is_refused(census, old, new, message):
    file = census / "california_housing" / "housing.csv"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        CaliforniaHousingDataModule(root=str(census), download=False).setup()


def test_a_missing_table_is_named_with_where_to_put_it(tmp_path):
    data = CaliforniaHousingDataModule(root=str(tmp_path), download=False)
    with pytest.raises(FileNotFoundError) as error:
        data.prepare_data()
    text = str(error.value)
    assert f"'{tmp_path / 'california_housing'}'" in text
    assert "housing.csv is not there and download is false" in text
    with pytest.raises(FileNotFoundError, match="download is false"):
        data.setup()


def test_no_network_is_reported(tmp_path, monkeypatch):
    def refuse(data_home):
        raise OSError("no route to host")

    monkeypatch.setattr(california_file, "fetch_california_housing", refuse)
    with pytest.raises(FileNotFoundError, match="the download failed: no route to host"):
        CaliforniaHousingDataModule(root=str(tmp_path)).prepare_data()


def test_what_is_fetched_is_kept_without_a_pickle(tmp_path, monkeypatch):
    homes = []

    def fetch(data_home):
        homes.append(data_home)
        return SimpleNamespace(data=np.arange(160.0).reshape(20, 8) ** 1.5, target=np.arange(20.0))

    monkeypatch.setattr(california_file, "fetch_california_housing", fetch)
    data = CaliforniaHousingDataModule(root=str(tmp_path / "new"))
    data.prepare_data()
    assert not Path(homes[0]).exists()
    monkeypatch.setattr(california_file, "fetch_california_housing", None)
    again = CaliforniaHousingDataModule(root=str(tmp_path / "new"), download=False)
    assert torch.equal(data.splits.train.inputs, again.splits.train.inputs)
    (file,) = (tmp_path / "new" / "california_housing").iterdir()
    np.savez(file, data=np.zeros((20, 3)), target=np.zeros(20))
    with pytest.raises(ValueError, match="Delete it to have it fetched again"):
        CaliforniaHousingDataModule(root=str(tmp_path / "new")).setup()
    file.write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(ValueError, match="Delete it to have it fetched again"):
        CaliforniaHousingDataModule(root=str(tmp_path / "new")).setup()


@real_table
def test_the_real_table():
    data = CaliforniaHousingDataModule(root=str(REAL), download=False)
    table = data.table()
    assert table.features.iloc[0].tolist() == pytest.approx(FIRST_FEATURES)
    assert int(table.features.isna().sum().sum()) == 207
    # scikit-learn's documentation: the target's mean 2.07, from 0.15 to 5
    assert table.target.mean() == pytest.approx(2.0686, abs=1e-3)
    assert (table.target.min(), table.target.max()) == pytest.approx((0.14999, 5.00001))
    train, val, test = _indices(data.splits)
    assert (len(train), len(val), len(test)) == (12384, 4128, 4128)
    assert train | val | test == set(range(20640))
