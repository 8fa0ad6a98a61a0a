"""What `mpmd.calibrate` is made of: micro-benchmarks, their timing, and the fit of constants to them."""
