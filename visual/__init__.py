"""Pictures of the compiler's values. Installed as `mpmd.visual`; loaded only when asked for."""

from .chrome import chrome_json as chrome_json
from .timeline import schedule_svg as schedule_svg
from .page import timeline_page as timeline_page
