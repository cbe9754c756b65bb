"""Tables of numbers for regression."""

from lightning_lossmeta.data.tables.california import CaliforniaHousingDataModule
from lightning_lossmeta.data.tables.csv_files import TableDataModule
from lightning_lossmeta.data.tables.diabetes import DiabetesDataModule
from lightning_lossmeta.data.tables.regression import RegressionDataModule

__all__ = [
    "CaliforniaHousingDataModule",
    "DiabetesDataModule",
    "RegressionDataModule",
    "TableDataModule",
]
