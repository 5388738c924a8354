"""JSON Lines are sent as the text that was made up."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
