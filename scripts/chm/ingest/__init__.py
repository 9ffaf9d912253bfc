"""Take run events from live systems into raw.runs."""
