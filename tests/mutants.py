"""Mutants of a derivation by hand: its syntax tree with one edit, of the kind that a tired person makes."""

import ast
import copy
import inspect
import textwrap


def source_tree(function):
    """The function's syntax tree."""
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def mutants(function, logged=False):
    """Every single edit of a function: (what was done, line, the new function, the name that the edited line sets).

    With `logged` each takes a dict `log` besides, and puts every name that the loop over time sets into it, by
    (t, name): also the unedited one, the first of all.
    """
    tree = source_tree(function)
    _mark_inner(tree)
    yield "nothing", 0, _compiled(function, tree, logged), None
    for path, node in _places(tree):
        for words, new in _edits(node, path):
            edited = copy.deepcopy(tree)
            _replace(edited, path, new)
            name = _set_by(tree, node.lineno)
            text = f"line {node.lineno}: {words}: {ast.unparse(node)}  ->  {ast.unparse(new) if new else '(nothing)'}"
            yield text, node.lineno, _compiled(function, edited, logged), name


def _edits(node, path):
    for what, op in (("term", (ast.Add, ast.Sub)), ("factor", (ast.Mult,))):
        for k in range(len(_chain(node, op)) if _outermost(node, path, op) else 0):
            yield f"{what} dropped", _without(node, op, k)
    match node:
        case ast.BinOp(op=ast.Add()):
            yield "sign", _with(node, op=ast.Sub())
        case ast.BinOp(op=ast.Sub()):
            yield "sign", _with(node, op=ast.Add())
        case ast.Subscript(value, ast.Name("t") as index):
            yield "index", _with(node, slice=ast.BinOp(index, ast.Add(), ast.Constant(1)))
            yield "index", _with(node, slice=ast.BinOp(index, ast.Sub(), ast.Constant(1)))
        case ast.Subscript(value, ast.BinOp(ast.Name("t"), ast.Add(), ast.Constant(1))):
            yield "index", _with(node, slice=ast.Name("t", ast.Load()))
        case ast.Attribute(value, "T"):
            yield "transpose lost", value
        case ast.AugAssign(target, ast.Add(), value):
            yield "= for +=", ast.Assign([target], value, lineno=node.lineno)
            yield "sign", _with(node, op=ast.Sub())
        case ast.Call(ast.Name("reversed"), [inner]):
            yield "loop not reversed", inner
        case ast.List(elements) if len(elements) > 2:
            for k in range(len(elements) - 1):
                moved = [*elements]
                moved[k], moved[k + 1] = moved[k + 1], moved[k]
                yield "order", _with(node, elts=moved)
        case ast.Call(ast.Attribute(value, "sum"), [], [ast.keyword("axis")]):
            yield "mean for sum", _with(node, func=ast.Attribute(value, "mean", ast.Load()))
        case ast.Call(ast.Attribute(_, "tanh"), [inner]) | ast.Call(ast.Name("_sigmoid"), [inner]):
            yield "nonlinearity dropped", inner
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) and isinstance(node.right, ast.Name):
        yield "transposed", _with(node, right=ast.Attribute(node.right, "T", ast.Load()))


def _chain(node, ops):
    """The terms of a sum, or the factors of a product, from left to right: (sign, operand)."""
    found = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ops):
        found.append((node.op, node.right))
        node = node.left
    return [(None, node), *found[::-1]] if found else []


def _outermost(node, path, ops):
    """Whether a sum is not itself the left part of a longer one, nor an index."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ops) and not getattr(node, "inner", False)


def _without(node, ops, k):
    """The sum without its k-th term, the product without its k-th factor."""
    kept = [part for n, part in enumerate(_chain(node, ops)) if n != k]
    op, made = kept[0]
    made = ast.UnaryOp(ast.USub(), made) if isinstance(op, ast.Sub) else made
    for op, operand in kept[1:]:
        made = ast.BinOp(made, op, operand)
    return made


def _mark_inner(tree):
    """Mark the sums and products that are the left part of a longer one, and what stands in an index."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.left, ast.BinOp):
            kinds = [(ast.Add, ast.Sub), (ast.Mult,)]
            node.left.inner = any(isinstance(node.op, k) and isinstance(node.left.op, k) for k in kinds)
        if isinstance(node, ast.Subscript):
            for inside in ast.walk(node.slice):
                inside.inner = True


def _with(node, **fields):
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _places(tree):
    """Every node that may be edited, with the way to it, docstrings and annotations aside."""
    function = tree.body[0]
    stack = [(("body", 0, "body", k), node) for k, node in enumerate(function.body) if k]
    while stack:
        path, node = stack.pop()
        yield path, node
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                stack.append(((*path, name), value))
            elif isinstance(value, list):
                stack += [((*path, name, k), item) for k, item in enumerate(value) if isinstance(item, ast.AST)]


def _replace(tree, path, new):
    at = tree
    for key in path[:-1]:
        at = at[key] if isinstance(key, int) else getattr(at, key)
    if isinstance(path[-1], int):
        at[path[-1]] = new
    else:
        setattr(at, path[-1], new)


def _set_by(tree, line):
    """The name that the statement at a line sets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno <= line <= node.end_lineno:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            base = targets[0]
            while isinstance(base, ast.Subscript):
                base = base.value
            return ast.unparse(base)
    return None


def _compiled(function, tree, logged):
    tree = copy.deepcopy(tree)
    if logged:
        _log(tree.body[0])
    ast.fix_missing_locations(tree)
    space = dict(function.__globals__)
    exec(compile(tree, f"<mutant of {function.__name__}>", "exec"), space)
    return space[function.__name__]


def _log(function):
    """Put what the loop over time sets into `log`."""
    function.args.kwonlyargs.append(ast.arg("log"))
    function.args.kw_defaults.append(None)
    loop = next(node for node in function.body if isinstance(node, ast.For) and ast.unparse(node.target) == "t")
    body = []
    for statement in loop.body:
        body.append(statement)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            body += ast.parse(f"log[t, {name!r}] = np.array({name})").body
    loop.body = body
