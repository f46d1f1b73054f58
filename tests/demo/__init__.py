"""`make demo`: the main job, on real parts, as a guided tour that ends with an error if any step did not hold."""
