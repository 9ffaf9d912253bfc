"""What a data set holds: sizes, orphans, status mix, runs per pipeline, failure rates."""

from chm.profile.compute import profile_data_set

__all__ = ["profile_data_set"]
