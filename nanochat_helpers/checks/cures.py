"""What to do where one type came and another was asked for: (asked for, came), as `showing` names them → an advice.

All of it is English; `comparing` shows it in the present language.
"""

ROWS = {  # what list(…) makes a list of
    *("a tuple", "a set", "a frozenset", "a range", "a map", "a filter", "a zip", "an enumerate", "a reversed"),
    *("the keys of a dict", "the values of a dict", "the items of a dict", "a generator"),
}
# What to do when one type came and another was asked for.
CURES = {
    **{("a list", row): f"list(…) makes a list of {row}" for row in ROWS},
    ("a tensor", "a list"): "torch.tensor(…) makes a tensor of a list",
    ("a tensor", "a number"): "torch.tensor(…) makes a tensor of a number",
    ("a tensor", "a tuple"): "torch.tensor(…) makes a tensor of a tuple",
    ("a tensor", "a parameter of a model"): ".detach() gives the tensor in it",
    ("a list", "a tensor"): ".tolist() makes a list of a tensor",
    ("a tuple", "a tensor"): "tuple(….tolist()) makes a tuple of a tensor",
    ("a number", "a tensor"): ".item() takes the number out of a tensor that holds one",
    ("a whole number", "a tensor"): ".item() takes the number out of a tensor that holds one",
    ("True or False", "a tensor"): ".item() takes the value out of a tensor",
    ("a whole number", "a text"): "int(…) makes a whole number of a text",
    ("a number", "a text"): "float(…) makes a number of a text",
    ("a text", "a whole number"): "str(…) makes a text of a number",
    ("a text", "a number"): "str(…) makes a text of a number",
    ("a tuple", "a list"): "tuple(…) makes a tuple of a list",
    ("a set", "a list"): "set(…) makes a set of a list",
    ("a dict", "a list"): "dict(…) makes a dict of a list of pairs",
    ("a text", "a list"): '"".join(…) makes one text of a list of texts',
    ("a list", "a text"): "put it into a list: […]",
    ("a text", "bytes"): ".decode() makes a text of bytes",
    ("bytes", "a text"): ".encode() makes bytes of a text",
    ("True or False", "a whole number"): "a comparison such as n > 0 gives True or False",
    ("True or False", "a text"): "write True without quotes",
    ("a number", "a numpy number"): "float(…) makes a plain number",
    ("a whole number", "a numpy number"): "int(…) makes a plain whole number",
    ("True or False", "a numpy number"): "bool(…) makes a plain True or False",
    ("a tensor", "a numpy array"): "torch.from_numpy(…).float() makes a tensor of it",
    ("a list", "a numpy array"): ".tolist() makes a list of it",
}
