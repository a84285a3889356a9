"""Speed and memory as ratios measured in one run, one file per benchmark: ``python -m benchmarks`` (``make bench``).

Every file has ``run(effort)``, which yields `benchmarks.measure.Result`s; the first line of its docstring is its title.
"""
