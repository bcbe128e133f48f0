"""Sends n spans, n log records and n counts with the official OpenTelemetry SDK: send.py grpc|http ENDPOINT SERVICE N."""

import logging
import sys

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def exporters(protocol: str, endpoint: str):
    """Returns the span, metric and log exporters for one OTLP endpoint (host:port)."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        arguments = {"endpoint": endpoint, "insecure": True}
        return OTLPSpanExporter(**arguments), OTLPMetricExporter(**arguments), OTLPLogExporter(**arguments)
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    base = f"http://{endpoint}/v1/"
    return OTLPSpanExporter(base + "traces"), OTLPMetricExporter(base + "metrics"), OTLPLogExporter(base + "logs")


def main() -> None:
    protocol, endpoint, service, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    logging.basicConfig(level=logging.ERROR)
    resource = Resource.create({"service.name": service})
    spans, points, records = exporters(protocol, endpoint)

    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(spans, max_queue_size=1 << 16))
    metering = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(points)])
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(records, max_queue_size=1 << 16))

    counter = metering.get_meter("testbed").create_counter("requests", unit="{request}")
    logger = logs.get_logger("testbed")
    tracer = tracing.get_tracer("testbed")
    for i in range(n):
        with tracer.start_as_current_span("GET /"):
            counter.add(1, {"http.route": "/"})
            logger.emit(severity_number=SeverityNumber.INFO, body=f"request {i}", attributes={"id": i})
    tracing.shutdown()
    metering.shutdown()
    logs.shutdown()


if __name__ == "__main__":
    main()
