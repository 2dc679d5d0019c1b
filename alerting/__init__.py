"""Decision policy, step-up, delivery policy and the gRPC edge."""
