"""The library of the course "MobileNet, by hand and by measurement".

Read in this order: `cost` (what a layer costs), `architectures` and `baselines` (networks as tables), `layers` and
`models` (the same tables as Paddle layers), `counting` (MACs of a running model), `papers` (published figures), `runs`,
`statistics` and `weights` (what was trained, and how sure it is). They fit into an evening. The folders beside them are
rooms for one purpose each: `data`, `training`, `plots`, `experiments`, `widgets`, `course`, `teaching`; `_support`
serves all of them. Importing the package imports none of them.
"""
