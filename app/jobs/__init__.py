"""What a worker does in the background, under leases."""
