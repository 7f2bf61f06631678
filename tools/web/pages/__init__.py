"""The pages of the menu, in its order. A new page is one line here."""

from web.page import Page
from web.pages import lab, play, price, read, reference, wire

PAGES: list[Page] = [play.PAGE, read.PAGE, lab.PAGE, wire.PAGE, price.PAGE, reference.PAGE]
