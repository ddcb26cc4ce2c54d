"""Random changes of training images, fresh in every epoch, decided by a seed alone."""
