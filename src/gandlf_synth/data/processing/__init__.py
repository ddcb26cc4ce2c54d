"""What is done to images between a file and the network, and after it."""
