"""California Housing, read from the census table or fetched by scikit-learn."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_california_housing

from lightning_lossmeta.data.tables.features import FeatureTable
from lightning_lossmeta.data.tables.regression import RegressionDataModule
from lightning_lossmeta.data.tables.text_table import TextTable, read_table

_NAME = "California Housing"
_FOLDER, _TABLE, _FETCHED = "california_housing", "housing.csv", "scikit_learn.npz"
_FEATURES = [
    "MedInc",
    "HouseAge",
    "AveRooms",
    "AveBedrms",
    "Population",
    "AveOccup",
    "Latitude",
    "Longitude",
]


class CaliforniaHousingDataModule(RegressionDataModule):
    """The median value of a house in 20,640 districts of the census of 1990 (Pace & Barry 1997).

    Inputs are the 8 features of scikit-learn's ``fetch_california_housing``, the counts of rooms,
    bedrooms and people being divided by that of households. They are made of the census table
    ``housing.csv``, whose 207 missing counts of bedrooms take the median; where it is not there,
    scikit-learn fetches its own, which lacks none and is kept as ``scikit_learn.npz``.

    Args:
        root: The folder that holds ``california_housing/housing.csv``, or ``housing.csv`` itself.
        download: Have scikit-learn fetch the table if it is missing.
        **kwargs: Those of :class:`~lightning_lossmeta.data.tables.regression.RegressionDataModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, root: str = "data", download: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = os.path.expanduser(root)
        self.download = download

    def prepare_data(self) -> None:
        """Fetch the table if it is missing and ``download`` is set.

        Raises:
            FileNotFoundError: If there is no table; says which file is needed and where to put it.
        """
        if self._file() is not None:
            return
        reason = "download is false"
        if self.download:
            try:
                self._fetch()
            except OSError as error:
                reason = f"the download failed: {error}"
            else:
                return
        raise FileNotFoundError(
            f"Expected {_NAME} in '{self._folder()}', but {_TABLE} is not there and {reason}. Get "
            f"the table of that name with the columns longitude, latitude, housing_median_age, "
            "total_rooms, total_bedrooms, population, households, median_income and "
            "median_house_value, and put it into that folder, or give the `root` that holds it."
        )

    def table(self) -> FeatureTable:
        """Read the file, and make the features of it.

        Raises:
            FileNotFoundError: If there is no table.
            ValueError: If it is another table, or damaged.
        """
        self.prepare_data()
        file = self._file()
        if file is not None and file.name == _TABLE:
            return _of_census(read_table(file))
        return _of_fetched(self._folder() / _FETCHED)

    def _folder(self) -> Path:
        return Path(self.root) / _FOLDER

    def _file(self) -> Path | None:
        places = (self._folder() / _TABLE, Path(self.root) / _TABLE, self._folder() / _FETCHED)
        return next((place for place in places if place.is_file()), None)

    def _fetch(self) -> None:
        # Into a folder that nobody else wrote to: scikit-learn unpickles what it finds in its own.
        with tempfile.TemporaryDirectory() as folder:
            housing = fetch_california_housing(data_home=folder)
        self._folder().mkdir(parents=True, exist_ok=True)
        np.savez_compressed(self._folder() / _FETCHED, data=housing.data, target=housing.target)


def _of_census(table: TextTable) -> FeatureTable:
    """Make scikit-learn's features out of the census table."""
    households = table.complete_numbers("households")
    if (households <= 0).any():
        raise ValueError(
            f"Expected the column 'households' of '{table.path}' to hold positive numbers, got "
            f"another in line {(households <= 0).idxmax()}."
        )
    column = table.numbers
    features = {
        "MedInc": column("median_income"),
        "HouseAge": column("housing_median_age"),
        "AveRooms": column("total_rooms") / households,
        "AveBedrms": column("total_bedrooms") / households,
        "Population": column("population"),
        "AveOccup": column("population") / households,
        "Latitude": column("latitude"),
        "Longitude": column("longitude"),
    }
    target = table.complete_numbers("median_house_value").to_numpy() / 100_000
    return FeatureTable(_NAME, pd.DataFrame(features), target)


def _of_fetched(file: Path) -> FeatureTable:
    """Read the table as scikit-learn fetched it."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            data, target = arrays["data"], arrays["target"]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        data = target = np.empty(0)
    if data.ndim != 2 or data.shape[1] != len(_FEATURES) or target.shape != data.shape[:1]:
        raise ValueError(
            f"Expected '{file}' to be the table as it was fetched, got another or a damaged file. "
            "Delete it to have it fetched again."
        )
    features = pd.DataFrame(data.astype(np.float64), columns=_FEATURES)
    return FeatureTable(_NAME, features, target.astype(np.float64))
