"""Flower, which watches workers and tasks, run behind one gate and made readable."""
