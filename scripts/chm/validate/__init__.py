"""Check a data set of CSV files against the rules of the data contract."""

from chm.validate.report import RULES, FileSummary, Report, Violation
from chm.validate.run import check_data_set, validate

__all__ = ["RULES", "FileSummary", "Report", "Violation", "check_data_set", "validate"]
