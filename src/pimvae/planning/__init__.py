"""What a run will take: operations, memory, disk and time.

`model_counts` builds the model of each cell on the meta device and counts what a step and an evaluation do with it;
`measure` times the device at hand; `graph` has the jobs of a run, and `schedule` runs them on so many cores in thought.
``pimvae plan`` (`job`) keeps counts and times as ``plan.json`` (`kept`), from which the DAG tells a scheduler what its
jobs need (`resources`). The DAG imports no torch: `counts` bounds what was not planned.
"""
