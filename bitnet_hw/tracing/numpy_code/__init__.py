"""The front end for numpy code: arrays that report the operations on them."""
