"""Tables of numbers and texts, for regression and for classification."""

from lightning_lossmeta.data.tables.california import CaliforniaHousingDataModule
from lightning_lossmeta.data.tables.csv_classification import TableClassificationDataModule
from lightning_lossmeta.data.tables.csv_regression import TableDataModule
from lightning_lossmeta.data.tables.diabetes import DiabetesDataModule
from lightning_lossmeta.data.tables.features import FeatureTable
from lightning_lossmeta.data.tables.regression import RegressionDataModule

__all__ = [
    "CaliforniaHousingDataModule",
    "DiabetesDataModule",
    "FeatureTable",
    "RegressionDataModule",
    "TableClassificationDataModule",
    "TableDataModule",
]
