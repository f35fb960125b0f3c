"""What all tests share."""

import functools
import inspect

# KFP asks for the whole stack, source lines included, at each setting of a task, to name a function in
# an error. Under pytest's deep stack that takes seconds a pipeline; without the lines it does not.
inspect.stack = functools.partial(inspect.stack, context=0)
