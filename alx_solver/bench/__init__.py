"""`alx bench`: benchmarks that anyone can run, each a JSON file and a picture.

peers      seconds an epoch beside implicit, Spark MLlib and plain NumPy
solvers    loss and recall against epochs and seconds, by linear solver
precision  loss and recall by number format
scaling    seconds and bytes by number of devices
recall     the recall table of several graphs
"""
