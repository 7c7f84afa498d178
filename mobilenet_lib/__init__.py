"""The library of the course "MobileNet, by hand and by measurement".

Read `cost` first, then `architectures`; README.md lists all modules. Importing the package imports none of them.
"""
