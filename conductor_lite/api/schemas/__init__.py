"""Bodies and answers of the API as Structs: what server and client agree upon, and nothing of either."""
