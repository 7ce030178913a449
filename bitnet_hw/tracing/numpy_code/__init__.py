"""The front end for numpy code: arrays that report what is done with them."""
