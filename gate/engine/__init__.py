"""From cases to answers. The only room that knows torch, and it imports it only when a model is needed."""
