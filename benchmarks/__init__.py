"""Speed as ratios to floors that were measured in the same run, on the same disk.

`python -m benchmarks` prints the table; a name prints one group. Figures of single machines
mean little, so nothing here is a test: read the ratios.
"""
