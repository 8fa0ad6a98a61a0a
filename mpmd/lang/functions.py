"""The functions of tasks, by the names under which `mpmd` exports them.

In:  nothing. Out: one `OpFunction` each; many are named like Python builtins, hence a module of their own.
Not here: what they compute (`ops.py`; `task/composites.py` for those made of others).
"""

from mpmd.lang.surface import OpFunction

abs = OpFunction("abs")
exp = OpFunction("exp")
log = OpFunction("log")
sqrt = OpFunction("sqrt")
rsqrt = OpFunction("rsqrt")
sigmoid = OpFunction("sigmoid")
tanh = OpFunction("tanh")
erf = OpFunction("erf")
sin = OpFunction("sin")
cos = OpFunction("cos")
floor = OpFunction("floor")
ceil = OpFunction("ceil")
round = OpFunction("round")
maximum = OpFunction("maximum")
minimum = OpFunction("minimum")
where = OpFunction("where")
sum = OpFunction("sum")
prod = OpFunction("prod")
max = OpFunction("max")
min = OpFunction("min")
any = OpFunction("any")
all = OpFunction("all")
mean = OpFunction("mean")
argmax = OpFunction("argmax")
argmin = OpFunction("argmin")
silu = OpFunction("silu")
relu = OpFunction("relu")
gelu = OpFunction("gelu")
softmax = OpFunction("softmax")
zeros = OpFunction("zeros")
full = OpFunction("full")
arange = OpFunction("arange")
send = OpFunction("send")
recv = OpFunction("recv")
