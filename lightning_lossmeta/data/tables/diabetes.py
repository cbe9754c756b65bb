"""scikit-learn's Diabetes table."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes

from lightning_lossmeta.data.tables.features import FeatureTable
from lightning_lossmeta.data.tables.regression import RegressionDataModule


class DiabetesDataModule(RegressionDataModule):
    """Ten measurements of 442 patients, and how far their disease went on in a year.

    The table of Efron et al. (2004), which needs no download. Inputs are (B, 10), targets (B, 1).
    The arguments are those of
    :class:`~lightning_lossmeta.data.tables.regression.RegressionDataModule`. By default 266 rows
    train, 88 validate and 88 test.

    >>> data = DiabetesDataModule()
    >>> data.splits.train.inputs.shape, data.feature_names[:3]
    (torch.Size([266, 10]), ('age', 'sex', 'bmi'))
    """

    def table(self) -> FeatureTable:
        """Read the table that comes with scikit-learn, in its own units."""
        diabetes = load_diabetes(as_frame=True, scaled=False)
        return FeatureTable("Diabetes", diabetes.data, diabetes.target.to_numpy(np.float64))
