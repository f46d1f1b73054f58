"""Models and rules of Perses documents, and the shipped templates held to them."""
