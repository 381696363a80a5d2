"""The index: what lists and queues need to know of all runs, in one SQLite file that may be deleted at any time.

The truth are the run folders. Promised is that a list shows every change made through the
library, after any crash:

- a writer marks its run dirty before it touches the trail and takes the mark off together with
  the run's new rows, in one transaction. What a kill leaves is a mark, and whoever reads the
  index next reads a marked run again. Where the index is busy or broken, an empty file in
  `.opentask/stale/` is the mark.
- a reader compares the folders' times and the system's boot with what the index was read at,
  and the files of the runs it shows with what their rows were made from.

A fault of the index is never a failed change: it is the warning `index_stale`. Nothing here is
synced but by SQLite's checkpoints: after a power loss the file is whole but may be of yesterday,
so the first reader after a boot compares every run's files with its row.

`database.py` holds the file, `schema.py` its tables, `rows.py` makes rows of runs, `writing.py`
is the writers' side, `refreshing.py` what a reader does before it trusts the rows, `run_lists.py`
and `task_views.py` are the lists.
"""
