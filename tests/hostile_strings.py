"""Strings that turn into running scripts wherever a view forgets to escape.

Each opens a dialog when it runs; `LabPage.dialogs` sees that.
"""

HOSTILE_STRINGS = (
    "<script>alert('script element')</script>",
    "<img src=x onerror=\"alert('image error')\">",
    "<svg><animate onbegin=\"alert('svg animation')\" attributeName=x dur=1s></svg>",
    '"><img src=x onerror="alert(\'out of an attribute\')">',
    "'><img src=x onerror=alert(1)>",
    "</style></title></textarea><img src=x onerror=alert(2)>",
    "<a href=\"javascript:alert('link')\" autofocus onfocus=\"alert('focus')\">link</a>",
    "[link](javascript:alert(3)) <details open ontoggle=alert(4)>",
    "{{ 7 * 7 }} {% raw %} &lt;img src=x onerror=alert(5)&gt;",
    "<iframe srcdoc=\"<script>parent.alert('frame')</script>\"></iframe>",
)
