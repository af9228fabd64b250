"""The state machines: `adaptation` is the outer loop, `examination` the inner one."""
