"""Django looks for template tags in a package of this name."""
