"""Two sets of images of the same subjects, image by image: how near is each reconstruction to its original?"""
