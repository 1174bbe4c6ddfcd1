"""The pages of queues: all of an application's, and one with its charts."""
