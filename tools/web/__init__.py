"""The sandbox in the browser: a server on loopback, its pages, and what they let run."""
