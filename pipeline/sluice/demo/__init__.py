"""The main job, live in a terminal: generated answers stream, and those that go wrong are stopped.

Nothing of it is made up but the texts: the broker, the workers, the orders and the gates are the real ones.
"""
