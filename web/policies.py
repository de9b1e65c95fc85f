"""What a browser may do with each kind of page: the content policies, strictest first."""

_REST = (
    "img-src 'self' data:; connect-src 'none'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'self'"
)
STRICT = f"default-src 'none'; script-src 'none'; style-src 'self'; {_REST}"
# Plotly writes a style element and style attributes; scripts are files of ours alone, never inline.
CHARTS = f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; {_REST}"
# The page of the network fetches other periods of itself and draws its picture through a blob to save it.
NETWORK = CHARTS.replace("connect-src 'none'", "connect-src 'self'").replace("img-src 'self'", "img-src 'self' blob:")
# The page to try the book bot runs one script of ours, which sends what is typed and shows what comes back.
CHAT = STRICT.replace("script-src 'none'", "script-src 'self'").replace("connect-src 'none'", "connect-src 'self'")
# Pages made by other tools hold inline scripts: they run, but as nobody, and reach nothing.
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; connect-src 'none'; frame-src 'none'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
