"""What lies in Redis where `REDIS_URL` is set: counts that would only cost the store."""
