"""Running the Worker on this machine: workerd, wrangler and Python for them, without a download."""
