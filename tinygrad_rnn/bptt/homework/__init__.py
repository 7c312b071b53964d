"""Code as people have it, examined against its own loss: an object, a function, a pair of forward and backward.

Read in this order. To call the code: array_places (the arrays of a call), surroundings (globals and
closures), called (a call that is quiet), source_names (the names in its text), forms (what all forms share),
one_function, pair, upstream (names such as dh), recognised (which form code has). Its gradients: given (where they are
left), gradient_names (which belongs to which array). The problems: entries and prefixes (where time and batch lie in
the data), trying. The truth: boards (arrays that keep Tensors), own_loss (the derivative of the person's own loss),
judging (one gradient against it, and conventions). Why: repeated_calls, step_cell, unrolled_steps (the loop on the
tape), explained. Last: examined (the findings in words), examine (the door), own_cell (what `derive` takes of it),
adapters (layers of PyTorch and JAX).
"""
