"""Tables in files hold what pandas would write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emgen.particles import measure
from emgen.particles.tables import write_csv, write_table

LABEL = np.kron(np.arange(1, 5).reshape(2, 2), np.ones((5, 6), int)).astype(np.int32)
ODD = pd.DataFrame(
    {
        "name": ['a, "b"', None, "ü"],
        "count": [1, 2, 10**12],
        "flag": [True, False, True],
        "value": [np.nan, -np.inf, 1 / 3e9],
        "small": np.array([1, 1e-30, 123456789], np.float32),
        "mixed": [1, "x", np.nan],
        "none": [None, None, None],
        "whole": pd.array([1, None, 3], "Int64"),
    }
)


@pytest.mark.parametrize(
    "table", [measure(LABEL, LABEL.astype(np.float32), 0.3, "a"), measure(LABEL * 0), ODD, ODD[["value"]].iloc[1:]]
)
def test_a_csv_is_that_of_pandas_with_six_digits(table: pd.DataFrame, tmp_path: Path) -> None:
    written = write_csv(tmp_path / "a.csv", table).read_text(encoding="utf-8")
    assert written == table.to_csv(index=False, float_format="%.6g")


def test_a_parquet_file_keeps_every_digit(tmp_path: Path) -> None:
    table = measure(LABEL, None, 0.3, "a")
    csv, parquet = write_table(tmp_path, table)
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), table)
    assert len(pd.read_csv(csv)) == len(table)
