"""The library of the course "MobileNet, by hand and by measurement".

Read `cost` first, then `architectures`; README.md lists what else there is. Importing the package imports none of them; in a
notebook it sees to it that a NameError says which cell was left out.
"""

import sys

if "IPython" in sys.modules:
    from mobilenet_lib import _missing_names

    _missing_names.watch()
    del _missing_names
del sys
