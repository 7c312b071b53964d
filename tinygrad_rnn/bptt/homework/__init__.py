"""Code as people have it, examined against its own loss: an object, a function, a pair of forward and backward.

Read in this order: places (the arrays of a call, and how to exchange one), called (how a person's code is called
quietly), source_names (the names in its text), forms (the shapes that code has), gradient_names (which gradient belongs
to which array), prefixes (where time and batch lie in the data), own_loss (the derivative of the person's own loss),
judging (one gradient against it), examined (the findings in words), examine (the door).
"""
