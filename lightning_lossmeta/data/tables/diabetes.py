"""scikit-learn's Diabetes table."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes

from lightning_lossmeta.data.tables.regression import NumericTable, RegressionDataModule


class DiabetesDataModule(RegressionDataModule):
    """442 patients (Efron et al. 2004): 10 measurements, and the disease's progress in a year.

    The arguments are those of
    :class:`~lightning_lossmeta.data.tables.regression.RegressionDataModule`. By default 266 rows
    train, 88 validate and 88 test.
    """

    def table(self) -> NumericTable:
        """Read what scikit-learn carries."""
        found = load_diabetes(scaled=False)
        features = np.asarray(found.data, dtype=np.float64)
        target = np.asarray(found.target, dtype=np.float64)
        return NumericTable("Diabetes", features, target, tuple(found.feature_names))
