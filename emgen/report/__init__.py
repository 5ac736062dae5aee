"""The HTML report that a run leaves behind."""

from emgen.report.comparison import write_demo_table
from emgen.report.write import write_report

__all__ = ["write_demo_table", "write_report"]
