"""What a run will take: operations, memory, disk and time.

`model_counts` builds the model of each cell on the meta device and counts what a step and an evaluation do with it;
`measure` times the device at hand. ``pimvae plan`` (`job`) keeps both as ``plan.json`` (`kept`), from which the DAG
tells a scheduler what its jobs need (`resources`). The DAG imports no torch: `counts` bounds what was not planned.
"""
