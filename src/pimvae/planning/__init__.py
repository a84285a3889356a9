"""What a run will take: operations, memory, disk and time.

`operations` and `resources` count from the configuration, without torch, so that the DAG can tell a scheduler; they
build on `datasets` and on the `layers` of `networks` and `image_networks`. `measure` times the device at hand for
``pimvae plan`` (`job`).
"""
