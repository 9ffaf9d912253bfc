"""Run a job as a child process and record it as a run, whether or not the database is there."""
