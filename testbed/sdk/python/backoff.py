"""Sends n log records with ids to an endpoint that refuses some requests: backoff.py grpc|http ENDPOINT SERVICE N.

OTEL_EXPORTER_OTLP_HEADERS has the key. It prints each line that the SDK logs about a refusal, and returns when everything is sent.
"""

import logging
import sys

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from send import exporters


def main() -> None:
    protocol, endpoint, service, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    logging.basicConfig(level=logging.WARNING)
    logs = LoggerProvider(resource=Resource.create({"service.name": service}))
    logs.add_log_record_processor(BatchLogRecordProcessor(exporters(protocol, endpoint)[2], max_queue_size=1 << 16))
    logger = logs.get_logger("testbed")
    for i in range(n):
        logger.emit(severity_number=SeverityNumber.INFO, body=f"request {i} " + "x" * 100)
    if not logs.force_flush(120_000):
        sys.exit("not everything was sent within two minutes")
    logs.shutdown()


if __name__ == "__main__":
    main()
