"""CHM analytics: generate, validate, load and check the monitoring data behind the marts."""
