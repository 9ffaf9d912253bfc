"""Sources of run events, one module each.

A source is a function that returns an iterator of chm.ingest.events.SourceEvent. What can't be
read becomes an event with a `fault`: a source never stops at it. Together with a
chm.ingest.mapping.Mapping, which says where the events hold a run's fields, it is all that
chm.ingest.run.ingest() needs. The events may be as many as there are: they are taken in batches.
"""
