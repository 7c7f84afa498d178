"""The library of the course "MobileNet, by hand and by measurement".

Read `cost` first, then `architectures`; README.md lists what else there is. Importing the package imports none of them; in a
notebook it sees to it that a NameError says which cell was left out, and an interrupt which import it broke.
"""

import sys

if "IPython" in sys.modules:
    from mobilenet_lib import _error_notes

    _error_notes.watch()
    del _error_notes
del sys
