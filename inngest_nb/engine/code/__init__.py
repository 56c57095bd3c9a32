"""A run's code: the threads and loops it runs on, and the context it is given."""
